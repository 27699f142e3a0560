/** Deletion over HTTP (distribution-spec, end-9 and end-10). */
import type { DeletePermit } from "../auth/gate.js";
import { parseDigest } from "../domain/digest.js";
import { deleteBlob as removeBlob, deleteManifest as removeManifest } from "../registry/delete.js";
import { preconditionOf } from "./conditional.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { readReference } from "./manifests.js";

export async function deleteManifest(
  { services, onEvent }: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
  last: string,
): Promise<void> {
  const deleted = await removeManifest(services, permit, readReference(last), preconditionOf(exchange));
  exchange.send(202, []);
  for (const event of deleted) onEvent?.(exchange, event);
}

export async function deleteBlob(
  { services, onEvent }: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
  last: string,
): Promise<void> {
  const digest = parseDigest(last);
  await removeBlob(services, permit, digest);
  exchange.send(202, []);
  onEvent?.(exchange, { action: "delete", digest });
}
