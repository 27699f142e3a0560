/** Deletion over HTTP (distribution-spec, end-9 and end-10). */
import { parseDigest } from "../domain/digest.js";
import { parseRepositoryName } from "../domain/repository-name.js";
import { deleteBlob, deleteManifest } from "../registry/delete.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { readReference } from "./manifests.js";
import type { PathTexts } from "./router.js";

export async function deleteManifestRoute(
  { services }: HttpContext,
  exchange: Exchange,
  path: PathTexts,
): Promise<void> {
  await deleteManifest(services, parseRepositoryName(path.name), readReference(path.last));
  exchange.send(202, []);
}

export async function deleteBlobRoute(
  { services }: HttpContext,
  exchange: Exchange,
  path: PathTexts,
): Promise<void> {
  await deleteBlob(services, parseRepositoryName(path.name), parseDigest(path.last));
  exchange.send(202, []);
}
