/**
 * A manifest that a client names, with its keys in the caches. Building a key takes ten times as long as finding its value, so
 * a request that comes often keeps them.
 */
import type { ManifestKey, TagKey } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import type { Reference } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";

export class WantedManifest {
  /** Absent if the client names a digest. */
  readonly tagKey: TagKey | undefined;
  /** The last result of `keyOf`. */
  #last: { readonly digest: Digest; readonly key: ManifestKey } | undefined;

  constructor(
    readonly name: RepositoryName,
    readonly reference: Reference,
  ) {
    if (reference.kind === "tag") this.tagKey = `${name}:${reference.tag}`;
  }

  /** Returns the key of the repository's manifest with this digest. */
  keyOf(digest: Digest): ManifestKey {
    if (this.#last?.digest !== digest) this.#last = { digest, key: `${this.name}@${digest}` };
    return this.#last.key;
  }
}
