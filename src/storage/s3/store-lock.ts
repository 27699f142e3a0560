/**
 * Keeps nodes that share no engine from using one store, because each keeps leases and locks in its own memory. The lock is
 * an object that its holder renews. It expires by the store's clock: a node that dies holds it for a minute at most, and a
 * dead process of the same machine not at all. The nodes of a cluster share one lock.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RegistryError } from "../../domain/errors.js";
import { endsWithin } from "../../lib/ends-within.js";
import { everySeconds, type Repeating } from "../../lib/every-seconds.js";
import { StoreInUse } from "../store-in-use.js";
import type { S3Client } from "./client.js";
import { overtaken } from "./failure.js";
import { keys } from "./keys.js";
import { canShare, type FoundLock, inUseBy, type LockRecord, lockBytes, readLock } from "./lock-record.js";
import { isRunning, ownIdentity } from "./process-identity.js";

export interface StoreLockOptions {
  /** Names the engine that the nodes share; absent for a node that is alone. */
  readonly engine?: string | undefined;
  /** Whether the store honours conditions of removals. */
  readonly removesWithCondition: boolean;
  /** Called once, if another node has the lock although this one never released it. This node must stop serving. */
  readonly onLost: (reason: string) => void;
  /** Called with the reason if the start takes long: the lock of another node must expire first, within a minute. */
  readonly onWaiting: (why: string) => void;
  /** Called if the lock could not be renewed. It is tried again. */
  readonly onError: (error: unknown) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

const renewedEverySeconds = 15;
export const expiredAfterSeconds = 60;

/** A node stops trusting its lock before others may take it. */
const trustedSecondsMax = 50;

/** Nodes of a cluster leave the renewal to the one that did it last. */
const renewedByOthersSeconds = 10;

/** How often a waiting node looks whether the holder is alive. */
const pollSeconds = 5;

/** Attempts of several nodes that start at once. */
const roundsMax = 40;

/** A server that stops does not wait long for a store that does not answer: the lock expires. */
const releaseMillisecondsMax = 5_000;

/** Resolves when this node has the lock. Rejects with `StoreInUse`. */
export async function acquireStoreLock(client: S3Client, options: StoreLockOptions): Promise<StoreLock> {
  const { engine, signal } = options;
  const mine: LockRecord = {
    ...(await ownIdentity()),
    mode: engine === undefined ? "single" : "cluster",
    owner: randomUUID(),
    ...(engine !== undefined && { engine }),
  };
  let waitingFor: FoundLock | undefined;
  for (let round = 1; round <= roundsMax; round++) {
    signal?.throwIfAborted();
    const found = await readLock(client);
    if (found === undefined || (await isFree(found, mine))) {
      const askedAt = performance.now();
      const etag = await take(client, mine, found);
      if (etag !== undefined) return new StoreLock(client, options, mine, etag, askedAt);
      continue;
    }
    // The holder is known to run, or was seen to renew the lock.
    if ((await holderRuns(found)) || (waitingFor !== undefined && waitingFor.etag !== found.etag))
      throw new StoreInUse(inUseBy(found, mine));
    if (waitingFor === undefined) options.onWaiting(inUseBy(found, mine));
    waitingFor = found;
    const seconds = Math.max(0, expiredAfterSeconds - found.ageSeconds);
    await sleep((Math.min(pollSeconds, seconds) + 1) * 1000, undefined, { signal });
  }
  throw overtaken("the lock of the store");
}

/** Whether this node may take the lock, or share it. */
async function isFree(found: FoundLock, mine: LockRecord): Promise<boolean> {
  const { record, ageSeconds } = found;
  if (ageSeconds > expiredAfterSeconds) return true;
  if (record === undefined) return false;
  return canShare(record, mine) || (await isRunning(record)) === false;
}

async function holderRuns({ record }: FoundLock): Promise<boolean> {
  return record !== undefined && (await isRunning(record)) === true;
}

/** Resolves with the lock's ETag, or with `undefined` if another node was faster. */
async function take(
  client: S3Client,
  mine: LockRecord,
  found: FoundLock | undefined,
): Promise<string | undefined> {
  if (found?.record !== undefined && canShare(found.record, mine) && isYoung(found)) return found.etag;
  const condition = found === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: found.etag };
  return (await client.put(keys.lock, lockBytes(mine), condition))?.etag;
}

function isYoung({ ageSeconds }: FoundLock): boolean {
  return ageSeconds < renewedByOthersSeconds;
}

export class StoreLock {
  readonly #renewing: Repeating;
  #isLost = false;

  constructor(
    readonly client: S3Client,
    readonly options: StoreLockOptions,
    readonly mine: LockRecord,
    private etag: string,
    /** When the last successful renewal was sent, on the clock of `performance`. */
    private renewedAt: number,
  ) {
    const { onError } = options;
    this.#renewing = everySeconds(renewedEverySeconds, () => this.renew(), onError);
  }

  /** Whether no other node can have the lock. False if it could not be renewed for long. */
  get isSure(): boolean {
    return !this.#isLost && performance.now() - this.renewedAt < trustedSecondsMax * 1000;
  }

  /** Throws `storage-unavailable` if another node may have the lock. */
  confirm(): void {
    if (!this.isSure)
      throw new RegistryError(
        "storage-unavailable",
        "the registry cannot reach its storage to renew its lock, try again in a moment",
      );
  }

  /** Called by a timer. */
  async renew(): Promise<void> {
    if (this.#isLost) return;
    const askedAt = performance.now();
    const renewed = await (this.mine.mode === "single" ? this.#renewOwn() : this.#renewShared());
    if (renewed === undefined) return;
    this.etag = renewed;
    this.renewedAt = askedAt;
  }

  /** Resolves with the new ETag, or with `undefined` if the lock was lost, or has changed meanwhile. */
  async #renewOwn(): Promise<string | undefined> {
    const { client, mine } = this;
    const stamp = await client.put(keys.lock, lockBytes(mine), { ifMatch: this.etag });
    if (stamp !== undefined) return stamp.etag;
    const found = await readLock(client);
    if (found === undefined) return this.#create();
    // The response to an earlier renewal was lost.
    if (found.record?.owner === mine.owner) return found.etag;
    this.#lose(found);
    return undefined;
  }

  async #renewShared(): Promise<string | undefined> {
    const { client, mine } = this;
    const found = await readLock(client);
    if (found === undefined) return this.#create();
    if (found.record === undefined || !canShare(found.record, mine)) {
      this.#lose(found);
      return undefined;
    }
    // If another node was faster, the lock is young the next time.
    return isYoung(found) ? found.etag : take(client, mine, found);
  }

  /** Somebody has removed the object. */
  async #create(): Promise<string | undefined> {
    const { client, mine } = this;
    return (await client.put(keys.lock, lockBytes(mine), { ifNoneMatch: "*" }))?.etag;
  }

  #lose(found: FoundLock): void {
    this.#isLost = true;
    void this.#renewing.stop();
    this.options.onLost(inUseBy(found, this.mine));
  }

  /** Ends the renewal, and removes the lock unless other nodes share it. */
  async release(): Promise<void> {
    await endsWithin(releaseMillisecondsMax, this.#release());
  }

  async #release(): Promise<void> {
    await this.#renewing.stop();
    if (this.#isLost || this.mine.mode === "cluster") return;
    if (this.options.removesWithCondition) return this.client.delete(keys.lock, this.etag);
    const found = await readLock(this.client);
    if (found?.record?.owner === this.mine.owner) await this.client.delete(keys.lock);
  }
}
