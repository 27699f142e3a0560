/** Where an export goes, in the domain's words. Nothing that is added is named before the end. */
import type { Annotations, Descriptor } from "../domain/descriptor.js";
import type { Digest } from "../domain/digest.js";

export interface NamedContent extends Descriptor {
  readonly annotations?: Annotations;
}

export interface Sink {
  has(digest: Digest, size: number): Promise<boolean>;
  /** Rejects with `digest-mismatch`, and then the content is not there. */
  add(digest: Digest, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Names what was added. What has the same name, or none and the same digest, is replaced. */
  finish(added: readonly NamedContent[]): Promise<void>;
}

/** The annotation by which a client asks for what is named. */
export const refName = "org.opencontainers.image.ref.name";
