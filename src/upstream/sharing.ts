/**
 * Shares a blob that this node is fetching with the nodes whose clients wait for it: as slices in the storage, from the first
 * byte on, and only while such a node watches. A slow storage does not slow the fetch.
 */
import type { Reporter } from "../cluster/cluster.js";
import { everySeconds, type Repeating } from "../lib/every-seconds.js";
import type { Turns } from "../lib/turns.js";
import { type SliceStore, sliceBytesMax } from "../storage/storage.js";
import type { GrowingBlob } from "./growing-blob.js";
import { serializeProgress } from "./progress.js";

/** A smaller blob arrives before another node could begin to follow it. */
const sharedBytesMin = 1024 * 1024;

const lookSeconds = 0.1;

/** A slice is smaller than this only if the upstream brings less in that time. */
const sliceBytesMin = 1024 * 1024;
const sliceMilliseconds = 1_000;

export class Sharing {
  readonly #positions: number[] = [];
  #growing: GrowingBlob | undefined;
  #stored = 0;
  #storedAt = Number.NEGATIVE_INFINITY;
  #isTold = false;
  #hasFailed = false;
  readonly #looking: Repeating;

  constructor(
    /** Names this attempt. It ends with this node's digits, so that the others can remove its slices after a crash. */
    readonly fetch: string,
    readonly slices: SliceStore,
    readonly reporter: Reporter,
    /** Slices in memory at once. */
    readonly turns: Turns,
  ) {
    // Other nodes then wait until the blob is stored.
    this.#looking = everySeconds(
      lookSeconds,
      (signal) => this.#look(signal),
      () => {
        this.#hasFailed = true;
      },
    );
  }

  /** Shares the blob from now on. Later calls change nothing. */
  add(growing: GrowingBlob): void {
    if (growing.size >= sharedBytesMin) this.#growing ??= growing.hold();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const growing = this.#growing;
    if (growing === undefined) return;
    while (!signal.aborted && !this.#hasFailed && this.reporter.isWatched) {
      if (!this.#isTold) this.#tell(growing, false);
      if (!this.#isDue(growing)) return;
      await this.turns.begin();
      try {
        await this.#store(growing);
      } finally {
        this.turns.end();
      }
      this.#tell(growing, false);
    }
  }

  #isDue({ received, size }: GrowingBlob): boolean {
    const bytes = received - this.#stored;
    if (bytes === 0) return false;
    const isLate = performance.now() - this.#storedAt > sliceMilliseconds;
    return bytes >= sliceBytesMin || received === size || isLate;
  }

  async #store(growing: GrowingBlob): Promise<void> {
    const position = this.#stored;
    const bytes = Buffer.allocUnsafeSlow(Math.min(growing.received - position, sliceBytesMax));
    await growing.readReceived(bytes, position);
    this.#storedAt = performance.now();
    this.#positions.push(position);
    await this.slices.put(this.fetch, position, bytes);
    this.#stored += bytes.length;
  }

  #tell({ size }: GrowingBlob, isVerified: boolean): void {
    this.#isTold = true;
    this.reporter.report(serializeProgress({ fetch: this.fetch, size, stored: this.#stored, isVerified }));
  }

  /**
   * Tells the other nodes how the fetch has ended, and shares no more. Call it when the storage has the blob, or when the
   * fetch has failed. Resolves when the slices are being removed, which may take as long as a request to the storage.
   */
  async end(isVerified: boolean): Promise<void> {
    const growing = this.#growing;
    if (growing !== undefined && this.#isTold && isVerified) this.#tell(growing, true);
    await this.#looking.stop();
    growing?.release();
    this.slices.remove(this.fetch, this.#positions);
  }
}
