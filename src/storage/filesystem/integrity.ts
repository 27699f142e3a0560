/**
 * Verifies that stored bytes have their digest. Remembers the files that this process has written or verified, so that
 * pushing an existing blob does not read it again.
 */
import { lstat } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { HitCounts } from "../../lib/hit-counts.js";
import { entriesMax } from "../../lib/lru-bound.js";
import { errorCode, ifThere } from "./files.js";

/** Reads a file and returns its digest in the algorithm of `expected`; done by the workers. */
export type DigestFile = (file: string, expected: Digest) => Promise<Digest>;

/** 50,000 digests of 71 characters take about 5 MB. */
const rememberedMax = 50_000;

export class Integrity {
  /** When each content was last known to be intact, in milliseconds since the epoch. */
  readonly #since = new LRUCache<Digest, number>(entriesMax(rememberedMax));

  readonly lookups = new HitCounts();

  constructor(readonly digestFile: DigestFile) {}

  /** Call it when the content is known to have had its digest at `since`. */
  remember(digest: Digest, since: number): void {
    this.#since.set(digest, since);
  }

  /** Call it when the content was removed, or may no longer be intact. */
  forget(digest: Digest): void {
    this.#since.delete(digest);
  }

  /**
   * Reads a content again only if it is unknown or was written to since: this detects manual edits (mtime), not silent
   * corruption. Rejects with `ENOENT` if it was removed: an upload that could not be placed may have taken it back.
   */
  async isIntact(content: string, digest: Digest): Promise<boolean> {
    const since = this.lookups.note(this.#since.get(digest));
    const found = await lstat(content);
    if (!found.isFile()) return false;
    if (since !== undefined && Math.floor(found.mtimeMs) <= since) return true;
    const intact = await this.#hasDigest(content, digest);
    if (intact === undefined) throw Object.assign(new Error(`${content} was removed`), { code: "ENOENT" });
    return intact;
  }

  /** Reads the file and returns whether it has its digest, or `undefined` if it does not exist. */
  async check(path: string, digest: Digest): Promise<boolean | undefined> {
    const found = await ifThere(lstat(path));
    if (found === undefined) return undefined;
    const intact = found.isFile() && (await this.#hasDigest(path, digest));
    // Otherwise the next push would assume that the content is intact, and not repair it.
    if (intact === false) this.forget(digest);
    return intact;
  }

  /** Rejects with `digest-mismatch`. */
  async demand(file: string, expected: Digest): Promise<void> {
    const actual = await this.digestFile(file, expected);
    if (actual === expected) return;
    const message = "the bytes do not match the digest";
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
