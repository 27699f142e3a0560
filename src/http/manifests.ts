/** Manifests over HTTP (distribution-spec, end-3 and end-7). */
import type { PullPermit, PushPermit } from "../auth/gate.js";
import type { StoredManifest } from "../cache/caches.js";
import { RegistryError } from "../domain/errors.js";
import { withoutParameters } from "../domain/media-type.js";
import { parseReference, parseTag, type Reference, type Tag } from "../domain/reference.js";
import { pullManifest } from "../registry/pull-manifest.js";
import { pushManifest } from "../registry/push-manifest.js";
import { WantedManifest } from "../registry/wanted-manifest.js";
import type { MirroredRepository } from "../upstream/cache.js";
import type { MirroredManifest } from "../upstream/manifests.js";
import { tooLarge } from "./body.js";
import { etagOf, isNotModified, preconditionOf } from "./conditional.js";
import type { HttpContext } from "./context.js";
import type { Exchange, Headers } from "./exchange.js";
import { HeaderBlock } from "./header-block.js";
import { mirrored } from "./mirrored.js";
import type { PathTexts } from "./router.js";

/** Tags of one end-7b request; the specification asks for at least ten. */
const tagsMax = 100;

export function getManifest(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
  path: PathTexts,
): void | Promise<void> {
  if (path.manifest?.name !== permit.name)
    path.manifest = new WantedManifest(permit.name, readReference(last));
  const { reference } = path.manifest;
  const repository = mirrored(context, exchange, permit);
  if (repository !== undefined) return getMirrored(context, exchange, repository, reference);
  const found = pullManifest(context.services, permit, path.manifest, exchange.spans);
  if (found instanceof Promise)
    return found.then((manifest) => sendManifest(context, exchange, reference, manifest));
  sendManifest(context, exchange, reference, found);
}

function getMirrored(
  context: HttpContext,
  exchange: Exchange,
  repository: MirroredRepository,
  reference: Reference,
): void | Promise<void> {
  const found = repository.manifest(reference);
  const send = ({ manifest, isStale }: MirroredManifest) =>
    sendManifest(context, exchange, reference, manifest, isStale ? [stale] : []);
  return found instanceof Promise ? found.then(send) : send(found);
}

/** RFC 9211: the upstream could not be asked whether the tag has moved. */
const stale = ["Cache-Status", "gantry; hit; detail=stale"] as const;

/**
 * Sends the stored bytes, whatever `Accept` says: there is only one representation, and a server may disregard the field
 * instead of refusing (RFC 9110, section 12.5.1; docs/decisions/0004).
 */
function sendManifest(
  { onEvent }: HttpContext,
  exchange: Exchange,
  reference: Reference,
  manifest: StoredManifest,
  further: Headers = [],
): void {
  const { digest, bytes } = manifest;
  if (isNotModified(exchange, digest)) return;
  exchange.send(200, further.length === 0 ? headOf(manifest) : [...further, ...headersOf(manifest)], bytes);
  onEvent?.(exchange, { action: "pull", manifest, tag: tagOf(reference) });
}

function headersOf({ digest, mediaType }: StoredManifest): Headers {
  return [
    ["Content-Type", mediaType],
    ["Docker-Content-Digest", digest],
    ["ETag", etagOf(digest)],
  ];
}

/** Heads of responses, for as long as their manifests are cached. */
const heads = new WeakMap<StoredManifest, HeaderBlock>();

function headOf(manifest: StoredManifest): HeaderBlock {
  let head = heads.get(manifest);
  if (head === undefined) {
    head = new HeaderBlock(headersOf(manifest));
    heads.set(manifest, head);
  }
  return head;
}

function tagOf(reference: Reference): Tag | undefined {
  return reference.kind === "tag" ? reference.tag : undefined;
}

/** Parses a reference. Nothing is stored under an invalid tag, so a request for one is a request for an unknown manifest. */
export function readReference(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === "tag-invalid") {
      throw new RegistryError("manifest-unknown", error.message, error.detail);
    }
    throw error;
  }
}

export async function putManifest(
  { services, onEvent }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  last: string,
): Promise<void> {
  const reference = parseReference(last);
  const tags = new URLSearchParams(exchange.query).getAll("tag").map(parseTag);
  if (tags.length > tagsMax) throw new RegistryError("uri-too-long", `a request has at most ${tagsMax} tags`);
  if (tags.length > 0 && reference.kind === "tag") {
    throw new RegistryError("request-invalid", "tag parameters require a digest in the path");
  }
  const precondition = preconditionOf(exchange);
  const { body } = exchange;
  if (body === undefined) throw new Error("invariant broken: this route takes a body");
  const { manifestBytesMax: bytesMax } = services.rules;
  const bytesExpected = exchange.announcedLength;
  if (bytesExpected !== undefined && bytesExpected > bytesMax) throw tooLarge(bytesMax);
  const contentType = withoutParameters(exchange.header("content-type"));
  const { manifest, subject } = await body.collect(
    services.bodyMemory.account(exchange.client),
    { bytesMax, bytesExpected },
    (bytes) => {
      const push = { reference, tags, contentType, bytes, precondition };
      return pushManifest(services, permit, push, exchange.spans);
    },
  );
  exchange.send(201, [
    exchange.location(`/v2/${permit.name}/manifests/${manifest.digest}`),
    ["Docker-Content-Digest", manifest.digest],
    // The client uses it as If-Match in its next change of this tag.
    ["ETag", etagOf(manifest.digest)],
    ...(subject === undefined ? [] : [["OCI-Subject", subject] as const]),
    ...tags.map((tag) => ["OCI-Tag", tag] as const),
  ]);
  for (const tag of tags.length === 0 ? [tagOf(reference)] : tags)
    onEvent?.(exchange, { action: "push", manifest, tag });
}
