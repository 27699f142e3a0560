/**
 * Makes an object of the same store the data of a blob by a copy within the store, so that no byte passes through this
 * process. A store that computes SHA-256 for the copy verifies the digest, too.
 */
import { randomUUID } from "node:crypto";
import { algorithmOf, type Digest, encodedOf } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { Turns } from "../../lib/turns.js";
import type { Adopted, Adopter, Outside, OutsideObject } from "../outside.js";
import type { S3Client } from "./client.js";
import { point, share } from "./contents.js";
import { copyObject } from "./copy.js";
import { S3Failure } from "./failure.js";
import { keys } from "./keys.js";
import { storeOf } from "./outside-object.js";
import type { S3WorkerPool } from "./worker-pool.js";

/** A copy of gigabytes takes minutes, and must leave connections for others. */
const copiesAtOnce = 16;

export class S3Adopter implements Adopter {
  readonly #turns = new Turns(copiesAtOnce);

  constructor(
    readonly client: S3Client,
    readonly workers: Pick<S3WorkerPool, "digestObject">,
    readonly graceSeconds: number,
  ) {}

  async adopt(
    outside: Outside,
    name: RepositoryName,
    digest: Digest,
    check: boolean,
  ): Promise<Adopted | undefined> {
    if (!("bucket" in outside) || outside.store !== storeOf(this.client.requests.place)) return undefined;
    await this.#turns.begin();
    try {
      return await this.#adopt(outside, name, digest, check);
    } finally {
      this.#turns.end();
    }
  }

  async #adopt(
    outside: OutsideObject,
    name: RepositoryName,
    digest: Digest,
    check: boolean,
  ): Promise<Adopted | undefined> {
    const { client } = this;
    const key = keys.data(randomUUID());
    if (!(await copyObject(client, outside, outside.size, key))) return undefined;
    let keeps = false;
    try {
      const head = await client.headWithSha256(key);
      if (head?.size !== outside.size) {
        const size = head === undefined ? "is gone" : `has ${head.size} bytes`;
        throw new S3Failure(`a copy of ${outside.size} bytes within the store ${size}`, { mayPass: true });
      }
      const checked = await this.#verify(key, digest, head.sha256, check);
      const own = { key, size: head.size, etag: head.etag };
      const shared = await share(client, digest, own, this.graceSeconds);
      keeps = shared.data.key === key;
      await point(client, name, digest, shared);
      return { how: "copiedInStore", healed: shared.healed, checked };
    } finally {
      if (!keeps) await client.delete(key);
    }
  }

  /** Resolves with whether the copy is known to have the digest. Rejects with `digest-mismatch`. */
  async #verify(key: string, digest: Digest, sha256: string | undefined, check: boolean): Promise<boolean> {
    const told = algorithmOf(digest) === "sha256" ? sha256 : undefined;
    if (told === undefined && !check) return false;
    const isRight =
      told === undefined
        ? (await this.workers.digestObject(key, digest)) === digest
        : Buffer.from(told, "base64").toString("hex") === encodedOf(digest);
    if (isRight) return true;
    throw new RegistryError("digest-mismatch", "the bytes of the blob do not match the digest", {
      expected: digest,
    });
  }
}
