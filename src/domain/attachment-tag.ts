/** Tags that are names of attachments, not of images: clients of registries without referrers derive them from a digest. */
import { algorithmOf, type Digest, encodedOf, isDigest } from "./digest.js";
import { isTag, parseTag, type Tag } from "./reference.js";

/** What cosign before version 3 stores under such a tag, by its ending. */
const cosignKinds = { sig: "signature", att: "attestation", sbom: "sbom" } as const;

type CosignEnding = keyof typeof cosignKinds;

export type CosignKind = (typeof cosignKinds)[CosignEnding];

/** `referrers` is the list of the referrers tag schema (distribution-spec, "Referrers Tag Schema"). */
export type AttachmentKind = CosignKind | "referrers";

export interface Attachment {
  readonly kind: AttachmentKind;
  readonly subject: Digest;
}

/** A tag has at most 128 characters. */
const encodedCharactersMax = 100;

const shape = /^([a-z0-9]+)-([0-9a-f]+)(?:\.(sig|att|sbom))?$/;

/** Returns what a tag attaches to which manifest, or `undefined` for an ordinary tag. */
export function attachmentOf(tag: Tag): Attachment | undefined {
  const [, algorithm, encoded, ending] = shape.exec(tag) ?? [];
  const subject = `${algorithm}:${encoded}`;
  if (!isDigest(subject)) return undefined;
  const kind = ending === undefined ? "referrers" : cosignKinds[ending as CosignEnding];
  return { kind, subject };
}

/** Returns the tags under which cosign before version 3 looks for attachments of a manifest, by their kind. */
export function cosignTagsOf(subject: Digest): Readonly<Record<CosignKind, Tag>> {
  const base = `${algorithmOf(subject)}-${encodedOf(subject).slice(0, encodedCharactersMax)}`;
  return {
    signature: parseTag(`${base}.sig`),
    attestation: parseTag(`${base}.att`),
    sbom: parseTag(`${base}.sbom`),
  };
}

/** Returns the tag of the referrers tag schema for a manifest; `undefined` if it would be too long for a tag. */
export function referrersTagOf(subject: Digest): Tag | undefined {
  const tag = `${algorithmOf(subject)}-${encodedOf(subject)}`;
  return isTag(tag) ? tag : undefined;
}
