/** Uploads over HTTP (distribution-spec, end-4 to end-6, end-11, end-13, end-14). */
import type { PushPermit } from "../auth/gate.js";
import { type Algorithm, type Digest, isDigest, parseAlgorithm, parseDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { parseContentRange } from "../domain/range.js";
import { isRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import { mountBlob } from "../registry/mount.js";
import {
  cancelUpload,
  findUpload,
  IncomingBody,
  openSingleUpload,
  openUpload,
} from "../registry/push-blob.js";
import type { Services } from "../registry/services.js";
import type { Session } from "../uploads/session.js";
import type { RequestBody } from "./body.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { sessionHeaders } from "./session-headers.js";

/** Opens a session (end-4a, end-4c), stores a whole blob (end-4b) or mounts one (end-11). */
export async function postUpload(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
): Promise<void> {
  const { services } = context;
  const query = new URLSearchParams(exchange.query);
  const mount = query.get("mount");
  if (mount !== null && (await mounts(context, exchange, permit, mount, query.get("from")))) return;
  const algorithm = query.get("digest-algorithm");
  const digest = query.get("digest");
  const announced = algorithm === null ? undefined : parseAlgorithm(algorithm);
  if (digest !== null) return startAndClose(context, exchange, permit, announced, parseDigest(digest));
  const session = openUpload(services, permit, announced, exchange.client);
  exchange.send(202, sessionHeaders(exchange, session));
}

async function startAndClose(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  announced: Algorithm | undefined,
  closing: Digest,
): Promise<void> {
  const { services } = context;
  const session = openSingleUpload(services, permit, announced);
  try {
    await receiveLast(context, exchange, session, closing);
  } finally {
    // The client never learned the ID of this session, so it cannot resume it.
    if (session.state === "idle") await cancelUpload(services, session);
  }
}

/**
 * Mounts the blob and answers, and returns whether it could. A registry that is unable to mount a blob SHOULD answer 202,
 * which begins an upload (end-11). That includes invalid names and digests, such as a name that another registry allows or
 * an algorithm that it supports.
 */
async function mounts(
  { services, upstreams, onEvent }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  digest: string,
  from: string | null,
): Promise<boolean> {
  const source = from === null || from === "" ? undefined : from;
  if (!isDigest(digest) || (source !== undefined && !isRepositoryName(source))) return false;
  const stored = source && upstreams?.names.canonical(source, undefined, exchange.incoming.host);
  const mounted = await mountBlob(services, permit, digest, stored ?? source);
  if (mounted === undefined) return false;
  sendCreated(exchange, permit.name, digest);
  onEvent?.(exchange, { action: "mount", blob: { digest, size: mounted.size }, from: mounted.from });
  return true;
}

export async function patchUpload(
  { services }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  id: string,
): Promise<void> {
  const found = findUpload(services, permit, id);
  const session = found instanceof Promise ? await found : found;
  const incoming = begin(services, exchange, session, undefined);
  await bodyOf(exchange).pipeTo(incoming).catch(afterAbort(incoming));
  await incoming.end();
  exchange.send(202, sessionHeaders(exchange, session));
}

export async function putUpload(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  id: string,
): Promise<void> {
  const digest = new URLSearchParams(exchange.query).get("digest");
  if (digest === null)
    throw new RegistryError(
      "digest-invalid",
      "the request that closes an upload must have the parameter digest",
    );
  const closing = parseDigest(digest);
  const found = findUpload(context.services, permit, id);
  const session = found instanceof Promise ? await found : found;
  await receiveLast(context, exchange, session, closing);
}

async function receiveLast(
  { services, onEvent }: HttpContext,
  exchange: Exchange,
  session: Session,
  closing: Digest,
): Promise<void> {
  const incoming = begin(services, exchange, session, closing);
  await bodyOf(exchange).pipeTo(incoming).catch(afterAbort(incoming));
  await incoming.commit(closing);
  sendCreated(exchange, session.name, closing);
  onEvent?.(exchange, { action: "push", blob: { digest: closing, size: incoming.size } });
}

/** Starts to receive the request's body. */
function begin(
  services: Services,
  exchange: Exchange,
  session: Session,
  closing: Digest | undefined,
): IncomingBody {
  const range = exchange.header("content-range");
  const claim = {
    range: range === "" ? undefined : parseContentRange(range),
    length: exchange.announcedLength,
    closing,
  };
  return new IncomingBody(services, session, claim, bodyOf(exchange), exchange.spans);
}

function afterAbort(incoming: IncomingBody): (error: unknown) => Promise<never> {
  return async (error) => {
    await incoming.abort();
    throw error;
  };
}

export async function getUpload(
  { services }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  id: string,
): Promise<void> {
  const session = await findUpload(services, permit, id);
  session.acknowledge();
  exchange.send(204, sessionHeaders(exchange, session));
}

export async function deleteUpload(
  { services }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  id: string,
): Promise<void> {
  await cancelUpload(services, await findUpload(services, permit, id));
  exchange.send(204, []);
}

function bodyOf(exchange: Exchange): RequestBody {
  if (exchange.body === undefined) throw new Error("invariant broken: this route takes a body");
  return exchange.body;
}

function sendCreated(exchange: Exchange, name: RepositoryName, digest: Digest): void {
  exchange.send(201, [exchange.location(`/v2/${name}/blobs/${digest}`), ["Docker-Content-Digest", digest]]);
}
