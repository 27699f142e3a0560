/** Conditional requests (RFC 9110, section 13). A digest is as strong a validator as there can be. */
import type { Digest } from "../domain/digest.js";
import type { Exchange } from "./exchange.js";

export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Answers 304 where the client has what it asks for; whether it did. */
export function isNotModified(exchange: Exchange, digest: Digest): boolean {
  const condition = exchange.header("if-none-match");
  if (condition === "" || !matches(condition, digest)) return false;
  exchange.send(304, [
    ["ETag", etagOf(digest)],
    ["Docker-Content-Digest", digest],
  ]);
  return true;
}

/** Comparison is weak for `If-None-Match` (RFC 9110, section 13.1.2). */
function matches(condition: string, digest: Digest): boolean {
  if (condition.trim() === "*") return true;
  return condition.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etagOf(digest));
}

/** Whether `Range` counts: `If-Range`, where there is one, must name just this content (section 13.1.5). */
export function rangeApplies(exchange: Exchange, digest: Digest): boolean {
  const condition = exchange.header("if-range");
  return condition === "" || condition.trim() === etagOf(digest);
}
