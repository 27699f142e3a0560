/** Tags and references. A reference is a tag or a digest (distribution-spec, `<tag-or-digest>`). */
import { type Digest, parseDigest } from "./digest.js";
import { RegistryError } from "./errors.js";

declare const tagBrand: unique symbol;
export type Tag = string & { readonly [tagBrand]: true };

export type Reference =
  | { readonly kind: "tag"; readonly tag: Tag }
  | { readonly kind: "digest"; readonly digest: Digest };

const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

export function isTag(text: string): text is Tag {
  return tagGrammar.test(text);
}

/** Parses a tag. Throws `tag-invalid`. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new RegistryError(
    "tag-invalid",
    "a tag has 1 to 128 letters, digits, periods, hyphens and underscores, and starts with neither a period nor a hyphen",
    { tag: text.slice(0, 128) },
  );
}

/** Returns the reference as it is in addresses. */
export function referenceText(reference: Reference): string {
  return reference.kind === "tag" ? reference.tag : reference.digest;
}

/** Parses a digest if there is a colon, which no tag has, otherwise a tag. Throws like the two parsers. */
export function parseReference(text: string): Reference {
  return text.includes(":")
    ? { kind: "digest", digest: parseDigest(text) }
    : { kind: "tag", tag: parseTag(text) };
}
