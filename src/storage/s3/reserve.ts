/**
 * Keeps a node usable on a store that is full to the last byte (docs/decisions/0050). Its lock, deletions and collections have
 * to write small objects before anything is freed. So each store has an object of 4 MiB that is given up, that is, removed,
 * when the store has no room for one of these. Until it can be restored, pushes are refused, which would use that room up.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { everySeconds, type Repeating } from "../../lib/every-seconds.js";
import type { S3Client } from "./client.js";
import { isFull, S3Failure, storeFull } from "./failure.js";
import { keys } from "./keys.js";
import type { S3Request, S3Requests } from "./requests.js";

/** Room for 1,000 small objects in blocks of 4 KiB, or 60 in blocks of 64 KiB. The tests of a start write 80, 45 at once. */
export const reserveBytes = 4 * 1024 * 1024;

/** Other nodes of a cluster may have given up or restored the reserve. */
const lookedEverySeconds = 15;

/**
 * An attempt to restore the reserve that fails takes room on a store that frees later what was removed, such as MinIO, which
 * does so every 5 minutes. So the pauses between attempts double, until this node removes the bytes of a blob.
 */
const restoreMillisecondsMin = 10_000;
const restoreMillisecondsMax = 300_000;

/** Pushes that are on their way must not use up what is given up. They end within this time, or are large. */
const endingMilliseconds = 1000;

/** After a push that did not fit, all pushes are refused for this long: other nodes are about to give up the reserve. */
const pausedMilliseconds = 2 * endingMilliseconds;

/** A store may need some time to free what was removed. After this time, the caller gets the failure. */
const noticedMilliseconds = 5000;
const retryMilliseconds = 500;

/** What is written without a push, or is as small as necessary to remove something. All else belongs to pushes. */
const upkeepKeys = new Set<string>([keys.lock, keys.store]);
const upkeepFolders = [
  keys.probes,
  keys.nodes,
  keys.notes,
  keys.secrets,
  keys.contents,
  keys.catalog,
  keys.uploads,
] as const;

export class Reserve {
  /** Whether it is known that the store has no reserve. */
  #isMissing = false;
  #givenUpAt = Number.NEGATIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #givingUp: Promise<void> | undefined;
  /** When to try to restore the reserve, and the pause after that. */
  #restoreAt = Number.NEGATIVE_INFINITY;
  #restorePause = restoreMillisecondsMin;
  #looking: Repeating | undefined;

  /** `onChange` is called when pushes are refused because the reserve is missing, and when they are accepted again. */
  constructor(readonly onChange: (isMissing: boolean) => void) {}

  /** Throws the failure of a full store if pushes are refused. */
  confirm(): void {
    if (this.#isMissing || performance.now() < this.#pausedUntil) throw storeFull();
  }

  /** Like `confirm`, for a request: those that remove something, and upkeep, are always sent. */
  before(request: S3Request): void {
    if (request.method === "DELETE" && request.key.startsWith(keys.allData)) this.#restoreSoon();
    if (!isUpkeep(request)) this.confirm();
  }

  /** Records that a push did not fit. */
  refused(): void {
    this.#pausedUntil = performance.now() + pausedMilliseconds;
  }

  /** Called when a request did not fit into the store. Resolves with whether to send it again. */
  async makeRoom(requests: S3Requests, request: S3Request): Promise<boolean> {
    if (request.key.startsWith(keys.reserve)) return false;
    if (!isUpkeep(request)) {
      this.refused();
      return false;
    }
    if (this.#givingUp !== undefined || !this.#isMissing) {
      this.#givingUp ??= this.#giveUp(requests).finally(() => {
        this.#givingUp = undefined;
      });
      return this.#givingUp.then(
        () => true,
        () => false,
      );
    }
    if (performance.now() - this.#givenUpAt > noticedMilliseconds) return false;
    await sleep(retryMilliseconds);
    return true;
  }

  async #giveUp(requests: S3Requests): Promise<void> {
    this.#setMissing(true);
    await sleep(endingMilliseconds);
    await requests.send({ method: "DELETE", key: keys.reserve, expected: [200, 204, 404] });
    // A look in between may have found it.
    this.#setMissing(true);
    this.#givenUpAt = performance.now();
  }

  #setMissing(isMissing: boolean): void {
    if (this.#isMissing === isMissing) return;
    this.#isMissing = isMissing;
    this.onChange(isMissing);
  }

  /** Looks for the reserve now and then, and restores it when there is room. Rejects with `S3Failure`. */
  async watch(client: S3Client, onError: (error: unknown) => void): Promise<void> {
    await this.look(client);
    this.#looking = everySeconds(lookedEverySeconds, () => this.look(client), onError);
  }

  async look(client: S3Client): Promise<void> {
    const isThere = (await client.head(keys.reserve)) !== undefined;
    if (isThere || this.#givingUp !== undefined) return this.#setMissing(!isThere);
    if (performance.now() < this.#restoreAt) return this.#setMissing(true);
    const isRestored = await restore(client);
    this.#setMissing(!isRestored);
    if (isRestored) return this.#restoreSoon();
    this.#restoreAt = performance.now() + this.#restorePause;
    this.#restorePause = Math.min(2 * this.#restorePause, restoreMillisecondsMax);
  }

  #restoreSoon(): void {
    this.#restoreAt = Number.NEGATIVE_INFINITY;
    this.#restorePause = restoreMillisecondsMin;
  }

  async stop(): Promise<void> {
    await this.#looking?.stop();
  }
}

/** Writes the reserve if there is room for another one besides: otherwise it would be given up again at once. */
async function restore(client: S3Client): Promise<boolean> {
  // Zeros might be stored in a byte.
  const bytes = randomBytes(reserveBytes);
  try {
    await client.put(keys.reserveRoom, bytes);
    await client.put(keys.reserve, bytes);
    return true;
  } catch (error) {
    if (!isFull(error)) throw error;
    return false;
  } finally {
    await client.delete(keys.reserveRoom).catch(ignoreFailure);
  }
}

/** What cannot be removed now is removed at the next attempt. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof S3Failure)) throw error;
}

function isUpkeep({ method, key }: S3Request): boolean {
  if (method === "DELETE" || key === "") return true;
  return (
    upkeepKeys.has(key) ||
    key.startsWith(keys.reserve) ||
    upkeepFolders.some((folder) => key.startsWith(folder))
  );
}
