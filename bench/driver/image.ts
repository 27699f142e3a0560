/** Images and client operations: push like docker, store quickly, pull completely. */
import { strict as assert } from "node:assert";
import type { Requester } from "./connection.js";
import { drain } from "./drain.js";
import type { Endpoint } from "./endpoint.js";
import type { Payload } from "./payload.js";
import {
  blobPath,
  expectStatus,
  hasBlob,
  type Manifest,
  makeManifest,
  manifestMediaType,
  manifestPath,
  mountBlob,
  openUpload,
  pushBlob,
  putManifest,
  sendBlob,
} from "./registry.js";

export interface Image {
  readonly repository: string;
  readonly tag: string;
  /** In push order. */
  readonly blobs: readonly Payload[];
  readonly manifest: Manifest;
}

export function makeImage(
  repository: string,
  tag: string,
  config: Payload,
  layers: readonly Payload[],
): Image {
  return { repository, tag, blobs: [...layers, config], manifest: makeManifest(config, layers) };
}

/** A size in this range, with `position` from 0 to 1 on a logarithmic scale: as many of 10 to 100 KB as of 100 KB to 1 MB. */
export function logarithmicBytes(bytesMin: number, bytesMax: number, position: number): number {
  return Math.round(bytesMin * (bytesMax / bytesMin) ** position);
}

/** Stores it with as few requests as possible. */
export async function storeImage(connection: Requester, image: Image): Promise<void> {
  for (const blob of image.blobs) await pushBlob(connection, image.repository, blob, "put");
  await putManifest(connection, image.repository, image.tag, image.manifest);
}

/**
 * Pushes in docker's order of requests: for each blob HEAD, and if it is missing a mount if `homeOf` knows a repository that
 * has it, otherwise POST, PATCH and PUT; then the manifest. Layers follow one another, unlike docker's five at a time.
 * Returns the bytes of sent blobs.
 */
export async function pushImage(
  connection: Requester,
  image: Image,
  homeOf: (blob: Payload) => string | undefined = () => undefined,
): Promise<number> {
  let sent = 0;
  for (const blob of image.blobs) {
    if (await hasBlob(connection, image.repository, blob.digest)) continue;
    const home = homeOf(blob);
    const session =
      home === undefined
        ? await openUpload(connection, image.repository)
        : await mountBlob(connection, image.repository, blob.digest, home);
    if (session === undefined) continue;
    await sendBlob(connection, session, blob, "patch");
    sent += blob.length;
  }
  await putManifest(connection, image.repository, image.tag, image.manifest);
  return sent;
}

/** Pulls the manifest by its tag, then all blobs concurrently, each on its own connection. Returns the received bytes. */
export async function pullImage(endpoint: Endpoint, connection: Requester, image: Image): Promise<number> {
  const { repository, tag, blobs, manifest } = image;
  const headers = { Accept: manifestMediaType };
  const reply = await connection.request("GET", manifestPath(repository, tag), { headers });
  const { body } = expectStatus(reply, 200, "GET manifest");
  assert(body.equals(manifest.bytes), "the manifest is returned as pushed");
  const lengths = await Promise.all(blobs.map(({ digest }) => drain(endpoint, blobPath(repository, digest))));
  assert(
    lengths.every((length, index) => length === blobs[index]?.length),
    "every blob is returned completely",
  );
  return lengths.reduce((sum, length) => sum + length, body.length);
}
