/** Blobs over HTTP (distribution-spec, end-2), with ranges by RFC 9110. */
import type { PullPermit } from "../auth/gate.js";
import { type Digest, parseDigest } from "../domain/digest.js";
import { RangeNotSatisfiable } from "../domain/errors.js";
import { selectRanges } from "../domain/range.js";
import { headBlob, type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import { etagOf, isNotModified, rangeApplies } from "./conditional.js";
import type { HttpContext } from "./context.js";
import { sendSource } from "./download.js";
import type { Exchange, Headers } from "./exchange.js";
import { blobSource, memorySource, rangeSource, severalRanges } from "./source.js";

const octets = ["Content-Type", "application/octet-stream"] as const;

function headersOf(digest: Digest): Headers {
  return [
    ["Docker-Content-Digest", digest],
    ["ETag", etagOf(digest)],
    ["Accept-Ranges", "bytes"],
    // Content never changes under its digest; a cache shared by many would pass by the gate.
    ["Cache-Control", "private, max-age=31536000, immutable"],
  ];
}

export function headBlobRoute(
  { services, onOccurrence }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): void | Promise<void> {
  const digest = parseDigest(last);
  const size = headBlob(services, permit, digest);
  const answer = (length: number): void => {
    if (!isNotModified(exchange, digest)) exchange.sendLength(200, [octets, ...headersOf(digest)], length);
    onOccurrence?.(exchange, { action: "pull", blob: { digest, size: length } });
  };
  if (size instanceof Promise) return size.then(answer);
  answer(size);
}

export function getBlob(
  { services, onOccurrence }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): void | Promise<void> {
  const digest = parseDigest(last);
  const blob = pullBlob(services, permit, digest, exchange.stages);
  const send = async (pulled: PulledBlob): Promise<void> => {
    await sendBlob(exchange, digest, pulled);
    // A client that asked for bytes which are not there has got none.
    if (exchange.status < 400)
      onOccurrence?.(exchange, { action: "pull", blob: { digest, size: pulled.size } });
  };
  return blob instanceof Promise ? blob.then(send) : send(blob);
}

async function sendBlob(exchange: Exchange, digest: Digest, blob: PulledBlob): Promise<void> {
  try {
    if (isNotModified(exchange, digest)) return;
    const whole = "bytes" in blob ? memorySource(blob.bytes) : blobSource(blob.file);
    const ranges = rangeApplies(exchange, digest) ? selectRanges(exchange.header("range"), blob.size) : "all";
    if (ranges === "unsatisfiable") throw new RangeNotSatisfiable(blob.size);
    const [first, ...others] = ranges === "all" ? [] : ranges;
    if (ranges === "all" || first === undefined) {
      await sendSource(exchange, 200, [octets, ...headersOf(digest)], whole);
    } else if (others.length === 0) {
      const contentRange = ["Content-Range", `bytes ${first.first}-${first.last}/${blob.size}`] as const;
      await sendSource(
        exchange,
        206,
        [octets, contentRange, ...headersOf(digest)],
        rangeSource(whole, first),
      );
    } else {
      const { source, contentType } = severalRanges(whole, ranges);
      await sendSource(exchange, 206, [["Content-Type", contentType], ...headersOf(digest)], source);
    }
  } finally {
    if ("file" in blob) blob.file.release();
  }
}
