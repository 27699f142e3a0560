/** The requests of distribution-spec used by the scenarios; an unexpected status is an error. */
import { createHash } from "node:crypto";
import type { Body, Requester } from "./connection.js";
import type { Payload } from "./payload.js";
import type { Reply } from "./reply.js";

export const manifestMediaType = "application/vnd.oci.image.manifest.v1+json";
const configMediaType = "application/vnd.oci.image.config.v1+json";
const layerMediaType = "application/vnd.oci.image.layer.v1.tar+gzip";

/**
 * How a layer is sent: `put` is POST then PUT with a Content-Length (containerd, buildkit); `patch` is POST, one chunked
 * PATCH, then an empty PUT (docker, skopeo).
 */
export type PushShape = "put" | "patch";

/** Starts an upload session, and returns the path of the next request. */
export async function openUpload(connection: Requester, repository: string): Promise<string> {
  const reply = await connection.request("POST", `/v2/${repository}/blobs/uploads/`);
  return locationOf(expectStatus(reply, 202, "POST upload"));
}

/** Sends the content to an open session and commits it. */
export async function sendBlob(
  connection: Requester,
  session: string,
  payload: Payload,
  shape: PushShape,
): Promise<void> {
  const headers = { "Content-Type": "application/octet-stream" };
  if (shape === "put") {
    const path = withDigest(session, payload.digest);
    expectStatus(await connection.request("PUT", path, { headers, body: payload }), 201, "PUT upload");
    return;
  }
  const patched = await connection.request("PATCH", session, { headers, body: payload, framing: "chunked" });
  const path = withDigest(locationOf(expectStatus(patched, 202, "PATCH upload")), payload.digest);
  expectStatus(await connection.request("PUT", path), 201, "PUT upload");
}

export async function pushBlob(
  connection: Requester,
  repository: string,
  payload: Payload,
  shape: PushShape,
): Promise<void> {
  await sendBlob(connection, await openUpload(connection, repository), payload, shape);
}

/** Checks for a layer, like docker before a push; true if the registry has it. */
export async function hasBlob(connection: Requester, repository: string, digest: string): Promise<boolean> {
  const reply = await connection.request("HEAD", blobPath(repository, digest));
  if (reply.status === 404) {
    return false;
  }
  expectStatus(reply, 200, "HEAD blob");
  return true;
}

/**
 * Requests a mount of a blob that another repository should have. Returns undefined if it succeeded, otherwise the path of
 * the session opened instead.
 */
export async function mountBlob(
  connection: Requester,
  repository: string,
  digest: string,
  from: string,
): Promise<string | undefined> {
  const query = new URLSearchParams({ mount: digest, from });
  const reply = await connection.request("POST", `/v2/${repository}/blobs/uploads/?${query}`);
  return reply.status === 201 ? undefined : locationOf(expectStatus(reply, 202, "POST mount"));
}

export interface Manifest {
  readonly digest: string;
  readonly bytes: Buffer;
}

type Described = Pick<Payload, "digest" | "length">;

export function makeManifest(config: Described, layers: readonly Described[]): Manifest {
  const describe = (mediaType: string, { digest, length }: Described) => ({
    mediaType,
    digest,
    size: length,
  });
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestMediaType,
      config: describe(configMediaType, config),
      layers: layers.map((layer) => describe(layerMediaType, layer)),
    }),
  );
  return { bytes, digest: digestOf(bytes) };
}

export async function putManifest(
  connection: Requester,
  repository: string,
  tag: string,
  manifest: Manifest,
): Promise<void> {
  const body: Body = { length: manifest.bytes.length, pieces: () => [[manifest.bytes]] };
  const headers = { "Content-Type": manifestMediaType };
  expectStatus(
    await connection.request("PUT", manifestPath(repository, tag), { headers, body }),
    201,
    "PUT manifest",
  );
}

export function blobPath(repository: string, digest: string): string {
  return `/v2/${repository}/blobs/${digest}`;
}

export function manifestPath(repository: string, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function expectStatus(reply: Reply, status: number, what: string): Reply {
  if (reply.status !== status) {
    throw new Error(
      `${what}: expected ${status}, got ${reply.status} ${reply.body.toString("utf8", 0, 500)}`,
    );
  }
  return reply;
}

/** Location may be absolute (docker-registry) or a path. */
function locationOf(reply: Reply): string {
  const location = reply.headers.get("location");
  if (location === undefined) {
    throw new Error("the reply names no Location");
  }
  const url = new URL(location, "http://127.0.0.1");
  return url.pathname + url.search;
}

function withDigest(session: string, digest: string): string {
  return `${session}${session.includes("?") ? "&" : "?"}digest=${digest}`;
}
