/**
 * Whether stored bytes have the digest that they are stored by. What this process has written or checked is
 * remembered, so that the push of a blob that is there already does not read it again.
 */
import { lstat } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { HitCounts } from "../../lib/hit-counts.js";
import { entriesMax } from "../../lib/lru-bound.js";
import { errorCode, ifThere } from "./files.js";

/** Re-reads a file and gives its digest in the algorithm of `expected`; done by the workers. */
export type DigestFile = (file: string, expected: Digest) => Promise<Digest>;

/** 50,000 digests of 71 characters are some 5 MB. */
const rememberedMax = 50_000;

export class Integrity {
  /** Since when each content is known to be sound, in milliseconds since the epoch. */
  readonly #since = new LRUCache<Digest, number>(entriesMax(rememberedMax));

  readonly lookups = new HitCounts();

  constructor(readonly digestFile: DigestFile) {}

  /** To be called when the content is known to have had its digest at that time. */
  remember(digest: Digest, since: number): void {
    this.#since.set(digest, since);
  }

  /** To be called when the content has gone, or is not known to be sound any more. */
  forget(digest: Digest): void {
    this.#since.delete(digest);
  }

  /**
   * Reads a content again only where it is not known, or was written to since: that tells of hands, not of a disk that
   * forgets. Rejects with `ENOENT` where it has gone: an upload that could not be placed may have taken it back.
   */
  async isIntact(content: string, digest: Digest): Promise<boolean> {
    const since = this.lookups.note(this.#since.get(digest));
    const found = await lstat(content);
    if (!found.isFile()) return false;
    if (since !== undefined && Math.floor(found.mtimeMs) <= since) return true;
    const intact = await this.#hasDigest(content, digest);
    if (intact === undefined) throw Object.assign(new Error(`${content} has gone`), { code: "ENOENT" });
    return intact;
  }

  /** Reads the file: whether it has its digest; `undefined` where it is not there. */
  async check(path: string, digest: Digest): Promise<boolean | undefined> {
    const found = await ifThere(lstat(path));
    if (found === undefined) return undefined;
    const intact = found.isFile() && (await this.#hasDigest(path, digest));
    // Else the next push would take the store's word for it, and heal nothing.
    if (intact === false) this.forget(digest);
    return intact;
  }

  /** Rejects with `digest-mismatch`. */
  async demand(file: string, expected: Digest): Promise<void> {
    const actual = await this.digestFile(file, expected);
    if (actual === expected) return;
    const message = "the bytes do not have the digest that they are kept by";
    throw new RegistryError("digest-mismatch", message, { expected, actual });
  }

  async #hasDigest(path: string, digest: Digest): Promise<boolean | undefined> {
    try {
      return (await this.digestFile(path, digest)) === digest;
    } catch (error) {
      if (error instanceof RegistryError && errorCode(error.cause) === "ENOENT") return undefined;
      throw error;
    }
  }
}
