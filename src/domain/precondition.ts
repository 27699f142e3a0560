/** Preconditions of a change (RFC 9110, section 13): what its target must be, or must not be, when the change happens. */
import type { Digest } from "./digest.js";
import { RegistryError } from "./errors.js";

/** The digests to compare the target with; `"anything"` matches every existing target. */
export type Candidates = "anything" | ReadonlySet<Digest>;

export interface Precondition {
  /** `If-Match`: the target is one of these. */
  readonly match?: Candidates;
  /** `If-None-Match`: the target is none of these. */
  readonly noneMatch?: Candidates;
}

/**
 * Returns whether a target that is `current` (`undefined` if it does not exist) may become `wanted`. A target that already
 * is `wanted` satisfies `If-Match`: the request may be a retry of one whose response was lost (section 13.1.1).
 * `If-None-Match` has no such exception.
 */
export function holds(
  { match, noneMatch }: Precondition,
  current: Digest | undefined,
  wanted?: Digest,
): boolean {
  if (current === undefined) return match === undefined;
  if (match !== undefined && current !== wanted && !isAmong(match, current)) return false;
  return noneMatch === undefined || !isAmong(noneMatch, current);
}

function isAmong(candidates: Candidates, digest: Digest): boolean {
  return candidates === "anything" || candidates.has(digest);
}

/** Returns the error for a change whose precondition does not hold. */
export function preconditionFailed(target: string, current: Digest | undefined): RegistryError {
  return new RegistryError(
    "precondition-failed",
    current === undefined
      ? "If-Match does not hold: there is no such manifest, it was deleted or never pushed; push without If-Match, or with If-None-Match: * to create it"
      : "If-Match or If-None-Match does not hold: someone else has changed or created the manifest; read it again, and decide again",
    { reference: target },
  );
}
