/** The target of an export, in the domain's words. It names nothing of the added content before the end. */
import type { Annotations, Descriptor } from "../domain/descriptor.js";
import type { Digest } from "../domain/digest.js";

export interface NamedContent extends Descriptor {
  readonly annotations?: Annotations;
}

export interface Sink {
  has(digest: Digest, size: number): Promise<boolean>;
  /** Rejects with `digest-mismatch`, and then does not keep the content. */
  add(digest: Digest, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Names the added content. Replaces entries with the same name, or without a name and with the same digest. */
  finish(added: readonly NamedContent[]): Promise<void>;
}

/** The annotation that holds the name of an entry. */
export const refName = "org.opencontainers.image.ref.name";
