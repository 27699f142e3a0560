/** Conditional requests (RFC 9110, section 13). The digest is a strong validator. */
import { type Digest, isDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Candidates, Precondition } from "../domain/precondition.js";
import type { Exchange } from "./exchange.js";

export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Answers 304 if the client already has the content, and returns whether it did. */
export function isNotModified(exchange: Exchange, digest: Digest): boolean {
  const condition = exchange.header("if-none-match");
  if (condition === "" || !matches(condition, digest)) return false;
  exchange.send(304, [
    ["ETag", etagOf(digest)],
    ["Docker-Content-Digest", digest],
  ]);
  return true;
}

/**
 * Comparison is weak for `If-None-Match` (RFC 9110, section 13.1.2). A tag has no quotes inside, so one search finds it: a
 * header may have thousands of tags.
 */
function matches(condition: string, digest: Digest): boolean {
  return condition.includes(etagOf(digest)) || condition.trim() === "*";
}

/** Returns whether `Range` applies: `If-Range`, if present, must name this content (section 13.1.5). */
export function rangeApplies(exchange: Exchange, digest: Digest): boolean {
  const condition = exchange.header("if-range");
  return condition === "" || condition.trim() === etagOf(digest);
}

/**
 * Returns the precondition of a push or deletion, or `undefined` if there is none. Throws `request-invalid` if a header is
 * not a list of entity tags: a digest without quotes would match nothing, and `If-None-Match` would always hold.
 */
export function preconditionOf({ incoming }: Exchange): Precondition | undefined {
  const { "if-match": match, "if-none-match": noneMatch } = incoming.headers;
  if (match === undefined && noneMatch === undefined) return undefined;
  return {
    ...(match !== undefined && { match: parseEntityTags("If-Match", match, false) }),
    ...(noneMatch !== undefined && { noneMatch: parseEntityTags("If-None-Match", noneMatch, true) }),
  };
}

/** An entity tag, weak or strong (section 8.8.3). */
const entityTag = /(W\/)?"([^"\s\x7f]*)"/y;
const separators = /[ \t,]*/y;

/** Returns the digests among the tags; manifests have no other entity tags. Strong comparison ignores weak tags (section 8.8.3.2). */
function parseEntityTags(field: string, text: string, weak: boolean): Candidates {
  if (text.trim() === "*") return "anything";
  const digests = new Set<Digest>();
  for (let position = 0; ; ) {
    separators.lastIndex = position;
    separators.exec(text);
    entityTag.lastIndex = separators.lastIndex;
    if (entityTag.lastIndex === text.length) {
      // An empty If-Match would match nothing, an empty If-None-Match everything.
      if (position === 0) invalidCondition(field);
      return digests;
    }
    const [, weakness, opaque = ""] = entityTag.exec(text) ?? invalidCondition(field);
    if ((weak || weakness === undefined) && isDigest(opaque)) digests.add(opaque);
    position = entityTag.lastIndex;
  }
}

function invalidCondition(field: string): never {
  throw new RegistryError(
    "request-invalid",
    `${field} must be * or a list of entity tags in double quotes, such as "sha256:…"; omit the header for no condition`,
  );
}
