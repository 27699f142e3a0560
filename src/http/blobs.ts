/** Blobs over HTTP (distribution-spec, end-2), with ranges by RFC 9110. */
import type { PullPermit } from "../auth/gate.js";
import { type Digest, parseDigest } from "../domain/digest.js";
import { RangeNotSatisfiable } from "../domain/errors.js";
import type { ByteRange } from "../domain/range.js";
import { type PulledBlob, pullBlob, headBlob as sizeOfBlob } from "../registry/pull-blob.js";
import { etagOf, isNotModified, rangeApplies } from "./conditional.js";
import type { HttpContext } from "./context.js";
import { sendSource } from "./download.js";
import type { Exchange, Headers } from "./exchange.js";
import { mirrored } from "./mirrored.js";
import { type MultipartMemory, multipartOf } from "./multipart.js";
import { type ByteSource, blobSource, memorySource, rangeSource } from "./source.js";

const octets = ["Content-Type", "application/octet-stream"] as const;

function headersOf(digest: Digest): Headers {
  return [
    ["Docker-Content-Digest", digest],
    ["ETag", etagOf(digest)],
    ["Accept-Ranges", "bytes"],
    // Content never changes under its digest. `private`, because a shared cache would bypass the gate.
    ["Cache-Control", "private, max-age=31536000, immutable"],
  ];
}

export function headBlob(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): void | Promise<void> {
  const { services, onEvent } = context;
  const digest = parseDigest(last);
  const size = mirrored(context, exchange, permit)?.blobSize(digest) ?? sizeOfBlob(services, permit, digest);
  const answer = (length: number): void => {
    if (!isNotModified(exchange, digest)) exchange.sendLength(200, [octets, ...headersOf(digest)], length);
    onEvent?.(exchange, { action: "pull", blob: { digest, size: length } });
  };
  if (size instanceof Promise) return size.then(answer);
  answer(size);
}

export function getBlob(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): void | Promise<void> {
  const { services, multipart, onEvent, redirects } = context;
  const digest = parseDigest(last);
  // Stores answer several ranges with the whole object.
  const wantsRanges = exchange.header("range").includes(",");
  const mayRedirect = wantsRanges ? false : redirects?.(exchange.incoming.peer.address);
  const blob =
    mirrored(context, exchange, permit)?.blob(digest, mayRedirect) ??
    pullBlob(services, permit, digest, exchange.spans, mayRedirect);
  const send = async (pulled: PulledBlob): Promise<void> => {
    await sendBlob(exchange, digest, pulled, multipart);
    // A 416 has sent no bytes, so it is not a pull.
    if (exchange.status < 400) onEvent?.(exchange, { action: "pull", blob: { digest, size: pulled.size } });
  };
  return blob instanceof Promise ? blob.then(send) : send(blob);
}

/** Sends the blob, or the ranges of it that the request names, and releases it. */
export async function sendBlob(
  exchange: Exchange,
  digest: Digest,
  blob: PulledBlob,
  memory: MultipartMemory,
  headers: Headers = headersOf(digest),
): Promise<void> {
  try {
    if (isNotModified(exchange, digest)) return;
    if ("url" in blob) {
      // The store answers ranges. No cache may keep the address, which expires.
      const address = ["Location", blob.url] as const;
      exchange.send(307, [address, ["Docker-Content-Digest", digest], ["Cache-Control", "no-store"]]);
      return;
    }
    const whole = "bytes" in blob ? memorySource(blob.bytes) : blobSource(blob.file);
    const selected = rangeApplies(exchange, digest)
      ? memory.select(exchange.header("range"), blob.size, {
          client: exchange.client,
          signal: () => exchange.untilGone(),
        })
      : "all";
    const ranges = selected instanceof Promise ? await selected : selected;
    if (ranges === "unsatisfiable") throw new RangeNotSatisfiable(blob.size);
    const [first, ...others] = ranges === "all" ? [] : ranges;
    if (ranges === "all" || first === undefined) {
      await sendSource(exchange, 200, [octets, ...headers], whole);
    } else if (others.length === 0) {
      const contentRange = ["Content-Range", `bytes ${first.first}-${first.last}/${blob.size}`] as const;
      await sendSource(exchange, 206, [octets, contentRange, ...headers], rangeSource(whole, first));
    } else {
      await sendRanges(exchange, headers, whole, ranges, memory);
    }
  } finally {
    if ("file" in blob) blob.file.release();
  }
}

/** Sends the ranges as parts, or the whole blob if there is no memory for so many ranges. */
async function sendRanges(
  exchange: Exchange,
  headers: Headers,
  whole: ByteSource,
  ranges: readonly ByteRange[],
  memory: MultipartMemory,
): Promise<void> {
  const multipart = multipartOf(whole, ranges, memory, exchange.client);
  if (multipart === undefined) return sendSource(exchange, 200, [octets, ...headers], whole);
  try {
    const type = ["Content-Type", multipart.contentType] as const;
    await sendSource(exchange, 206, [type, ...headers], multipart.source);
  } finally {
    multipart.end();
  }
}
