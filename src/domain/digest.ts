/**
 * Digests of content, the registry's only names for bytes (image-spec, descriptor.md#digests). Only this file defines which
 * algorithms are supported.
 */
import { RegistryError } from "./errors.js";

declare const digestBrand: unique symbol;
/** `algorithm:encoded` of a supported algorithm, lower-case hex of that algorithm's length. */
export type Digest = string & { readonly [digestBrand]: true };

/** sha256 and sha512 are registered by image-spec 1.1, blake3 by its main branch. */
export type Algorithm = "sha256" | "sha512" | "blake3";

/** A map, because an object would also have `constructor` and similar keys. */
const hexLengths: ReadonlyMap<string, number> = new Map<Algorithm, number>([
  ["sha256", 64],
  ["sha512", 128],
  ["blake3", 64],
]);

export const algorithms = [...hexLengths.keys()] as readonly Algorithm[];

/** Clients that name no algorithm mean this one (distribution-spec, end-4a). */
export const defaultAlgorithm: Algorithm = "sha256";

/** Grammar of image-spec's descriptor.md; a supported algorithm narrows it further. */
const digestGrammar = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const lowerHex = /^[0-9a-f]+$/;
/** Longer texts are not parsed: sha512 has 135 characters. */
const digestCharactersMax = 256;

/** Parses a digest. Throws `digest-invalid` or `digest-unsupported`. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(":");
  const hexLength = hexLengths.get(text.slice(0, colon));
  if (
    hexLength !== undefined &&
    text.length === colon + 1 + hexLength &&
    lowerHex.test(text.slice(colon + 1))
  ) {
    return text as Digest;
  }
  if (text.length > digestCharactersMax || !digestGrammar.test(text)) {
    throw new RegistryError("digest-invalid", "the digest is malformed", {
      digest: text.slice(0, digestCharactersMax),
    });
  }
  if (hexLength !== undefined) {
    throw new RegistryError(
      "digest-invalid",
      `a ${text.slice(0, colon)} digest has ${hexLength} lower-case hexadecimal digits`,
      { digest: text },
    );
  }
  throw new RegistryError("digest-unsupported", `supported digest algorithms are ${algorithms.join(", ")}`, {
    digest: text,
  });
}

/** Parses an algorithm. Throws `digest-unsupported`. */
export function parseAlgorithm(text: string): Algorithm {
  if (hexLengths.has(text)) return text as Algorithm;
  throw new RegistryError("digest-unsupported", `supported digest algorithms are ${algorithms.join(", ")}`, {
    algorithm: text.slice(0, digestCharactersMax),
  });
}

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(":");
  const hexLength = hexLengths.get(text.slice(0, colon));
  return (
    hexLength !== undefined && text.length === colon + 1 + hexLength && lowerHex.test(text.slice(colon + 1))
  );
}

/** Hexadecimal digits of a shortened digest, which people compare. */
export const shortDigits = 12;

/** Whether this is a digest, or one that is cut after at least `shortDigits` digits. */
export function isDigestPrefix(text: string): boolean {
  const colon = text.indexOf(":");
  const length = text.length - colon - 1;
  const hexLength = hexLengths.get(text.slice(0, colon)) ?? 0;
  return length >= shortDigits && length <= hexLength && lowerHex.test(text.slice(colon + 1));
}

/** Returns the number of hexadecimal digits of the algorithm's digests. */
export function hexLengthOf(algorithm: Algorithm): number {
  return hexLengths.get(algorithm) ?? 0;
}

export function digestOf(algorithm: Algorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(":")) as Algorithm;
}

export function encodedOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}
