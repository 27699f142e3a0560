/** Deletion over HTTP (distribution-spec, end-9 and end-10). */
import type { DeletePermit } from "../auth/gate.js";
import { parseDigest } from "../domain/digest.js";
import { deleteBlob, deleteManifest } from "../registry/delete.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { readReference } from "./manifests.js";

export async function deleteManifestRoute(
  { services }: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
  last: string,
): Promise<void> {
  await deleteManifest(services, permit, readReference(last));
  exchange.send(202, []);
}

export async function deleteBlobRoute(
  { services }: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
  last: string,
): Promise<void> {
  await deleteBlob(services, permit, parseDigest(last));
  exchange.send(202, []);
}
