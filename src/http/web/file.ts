/** Sends a file of an artifact to a browser, which stores it and shows none of it. */
import type { PullPermit } from "../../auth/gate.js";
import { parseDigest } from "../../domain/digest.js";
import { pullBlob } from "../../registry/pull-blob.js";
import { sendBlob } from "../blobs.js";
import { etagOf } from "../conditional.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";

/**
 * The name of the file is in the link, which wins without one here. Fetches nothing from an upstream, and redirects to no
 * store: its answer would have other headers.
 */
export async function getFile(
  { services, multipart, onEvent }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): Promise<void> {
  const digest = parseDigest(last);
  const blob = await pullBlob(services, permit, digest, exchange.spans, false);
  await sendBlob(exchange, digest, blob, multipart, [
    ["Content-Disposition", "attachment"],
    ["Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
    ["ETag", etagOf(digest)],
    ["Accept-Ranges", "bytes"],
    ["Cache-Control", "private, no-cache"],
  ]);
  if (exchange.status < 400) onEvent?.(exchange, { action: "pull", blob: { digest, size: blob.size } });
}
