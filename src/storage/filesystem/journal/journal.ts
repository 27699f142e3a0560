/**
 * The redo journal (docs/decisions/0053): small changes are on stable storage by a record that a worker appends and syncs,
 * many at once. The files themselves are not synced one by one. A checkpoint syncs them all, and frees the records.
 *
 * Each operation belongs to the generation in which it began. A checkpoint begins the next generation, waits until all
 * operations of earlier ones have ended, syncs, and moves the mark: their records are then done.
 *
 * A change without a record must not be undone by an earlier record. Callers report it with `changed`, which adds a record
 * that makes the earlier ones void. A change that relies on a journaled file asks `isLive`, and syncs that file first.
 */
import { writeFile } from "node:fs/promises";
import { everySeconds, type Repeating } from "../../../lib/every-seconds.js";
import { isFull } from "../../errors.js";
import type { FileStep } from "../file-steps.js";
import { errorCode } from "../files.js";
import type { Layout } from "../layout.js";
import type { StorePeers } from "../peers.js";
import type { WorkerPool } from "../worker-pool.js";
import type { MarkFile } from "./mark.js";
import type { RecordContent } from "./record.js";
import { readJournal, recordsOf, removeSegments } from "./segments.js";
import { brokenName, clockOf, type SharedState, slotsPerProcess } from "./shared.js";
import type { SyncAll } from "./sync-all.js";

/** A worker whose segment is half full does not wait for the next checkpoint. */
const lookSeconds = 1;
/** Some 200 bytes each. */
const liveMax = 50_000;

/** The running operations of a generation. */
interface Generation {
  running: number;
  onEnd: (() => void) | undefined;
}

export interface JournalParts {
  readonly layout: Layout;
  readonly state: SharedState;
  readonly workers: WorkerPool;
  readonly checkpointSeconds: number;
  /** Absent if another process of the server makes the checkpoints. */
  readonly own?: { readonly mark: MarkFile; readonly syncAll: SyncAll } | undefined;
  /** Absent if there are no other processes. */
  readonly peers?: StorePeers | undefined;
  readonly onError: (error: unknown) => void;
}

function isRecorded(error: unknown): boolean {
  return error instanceof Error && (error as { isRecorded?: boolean }).isRecorded === true;
}

function brokenJournal(): NodeJS.ErrnoException {
  return Object.assign(new Error("the journal's checkpoint has failed: restart the server"), { code: "EIO" });
}

export class Journal {
  readonly #running = new Map<number, Generation>();
  /** The paths that records name, with the generation of the last one. */
  readonly #live = new Map<string, number>();
  #checkpoint: Promise<void> | undefined;
  #checkpointAt = performance.now();
  /** Set if a checkpoint could not sync: the kernel may have dropped what it could not write. */
  #isBroken = false;
  /** Whether other processes may have records that count; in those, whether the first one knows that. */
  #isShared = false;
  readonly #looking: Repeating;

  constructor(readonly parts: JournalParts) {
    this.#looking = everySeconds(
      lookSeconds,
      async () => {
        const isDue = performance.now() - this.#checkpointAt > parts.checkpointSeconds * 1000;
        if (this.#isBroken) return;
        const isUsed = parts.own !== undefined && (this.#live.size > 0 || this.#isShared);
        if (this.#isWanted || (isDue && isUsed)) await this.checkpoint();
      },
      parts.onError,
    );
    this.#answer();
  }

  /** A checkpoint concerns all processes: the first one makes it, when the others have ended their earlier operations. */
  #answer(): void {
    const { peers, state, workers, own } = this.parts;
    peers?.shareClock(clockOf(state));
    if (own !== undefined) {
      peers?.answer("checkpoint", () => this.checkpoint().then(() => null));
      peers?.answer("journal used", () => {
        this.#isShared = true;
        return null;
      });
      return;
    }
    // Slots of workers that have ended, whose records are all of earlier generations.
    let lost: readonly number[] = [];
    peers?.answer("end generation", async (next) => {
      lost = state.lostSlots((threadId) => workers.isRunning(threadId));
      state.raise("generation", Number(next));
      this.#isShared = false;
      await this.#ended(Number(next));
      return null;
    });
    peers?.answer("journal done", async (next) => {
      this.#done(Number(next));
      await this.#removeSegments(lost);
      return null;
    });
    peers?.answer("journal broken", () => {
      this.#break();
      return null;
    });
  }

  /**
   * Runs an operation that is durable by a record of the generation that `work` gets. `paths` are those that `isLive` and
   * `changed` will ask for.
   */
  async during<T>(paths: readonly string[], work: (generation: number) => Promise<T>): Promise<T> {
    this.confirm();
    const generation = this.parts.state.get("generation");
    const running = this.#running.get(generation) ?? { running: 0, onEnd: undefined };
    this.#running.set(generation, running);
    running.running++;
    for (const path of paths) this.#live.set(path, generation);
    if (this.parts.own === undefined && !this.#isShared) {
      this.#isShared = true;
      this.parts.peers?.tellFirst("journal used", null);
    }
    try {
      return await work(generation);
    } finally {
      running.running--;
      if (running.running === 0) running.onEnd?.();
      if (this.#isWanted && !this.#isBroken) this.#startCheckpoint();
    }
  }

  /** Throws if a checkpoint could not sync: pushes then fail until the server starts again. */
  confirm(): void {
    if (this.#isBroken) throw brokenJournal();
  }

  /** Nobody waits for a further checkpoint. */
  #break(): void {
    this.#isBroken = true;
    this.parts.state.set("broken", 1);
  }

  /** Rejects if it cannot be used any more, or if somebody has removed its files. */
  async probe(): Promise<void> {
    this.confirm();
    await this.parts.own?.mark.confirm();
  }

  /**
   * Performs the steps, made durable by the record. If it rejects, no later start repeats the record, unless the checkpoint
   * that must free it fails: `onError` gets that failure, and the journal is not used any more.
   */
  async do(paths: readonly string[], steps: readonly FileStep[], record: RecordContent): Promise<void> {
    try {
      await this.during(paths, async (generation) => {
        await this.parts.workers.fileSteps(steps, { ...record, generation });
      });
    } catch (error) {
      if (isRecorded(error)) await this.checkpoint().catch(this.parts.onError);
      throw error;
    }
  }

  /** Returns whether the file at the path may be on stable storage in the journal only. */
  isLive(path: string): boolean {
    return this.#live.has(path);
  }

  /** Like `isLive`, also if a record of another process may name it. */
  mayBeLive(path: string): boolean {
    return this.#live.has(path) || this.parts.peers !== undefined;
  }

  /**
   * Call it when a change of the path, or of a whole folder, is on stable storage without a record, before it is
   * acknowledged, and before other callers may change the path.
   */
  async changed(path: string): Promise<void> {
    if (this.#live.has(path)) await this.#void(path);
  }

  /** Like `changed`, for a removal, which records of other processes must not undo either. */
  async removed(path: string): Promise<void> {
    if (this.mayBeLive(path)) await this.#void(path);
  }

  async #void(path: string): Promise<void> {
    try {
      await this.do([], [], {
        operations: [{ do: "void", path: this.parts.layout.relative(path) }],
        bytes: [],
      });
      // The path stays live: a push that is running may add a later record of it.
    } catch (error) {
      // Removals are how an operator makes room. After a checkpoint there is nothing to be made void.
      if (!isFull(errorCode(error))) throw error;
      await this.checkpoint();
    }
  }

  get #isWanted(): boolean {
    return this.parts.state.get("wanted") === 1 || this.#live.size > liveMax;
  }

  #startCheckpoint(): void {
    if (this.#checkpoint === undefined) this.checkpoint().catch(this.parts.onError);
  }

  /** Resolves when all changes before the call are on stable storage without the journal. */
  async checkpoint(): Promise<void> {
    // One that is running may have begun before such a change.
    await this.#checkpoint?.catch(() => {});
    this.#checkpoint ??= this.#check().finally(() => {
      this.#checkpoint = undefined;
    });
    await this.#checkpoint;
  }

  async #check(): Promise<void> {
    // The kernel reports a failed write once: this sync could succeed.
    this.confirm();
    const { layout, state, workers, own, peers } = this.parts;
    state.set("wanted", 0);
    if (own === undefined) {
      await peers?.askFirst("checkpoint", null);
      return;
    }
    const { mark, syncAll } = own;
    this.#checkpointAt = performance.now();
    // Before the next generation, so that all their records are of earlier ones.
    const lost = state.lostSlots((threadId) => workers.isRunning(threadId));
    const next = state.next("generation") + 1;
    this.#isShared = false;
    await Promise.all([this.#ended(next), peers?.ask("end generation", next)]);
    await syncAll
      .run(() => this.#changedFiles(next))
      .then(() => mark.confirm())
      .catch(async (error: unknown) => {
        this.#break();
        // The cache shows what the disk has lost, as long as the machine runs: the next start writes all files again.
        await writeFile(`${layout.journalRoot}/${brokenName}`, "").catch(() => {});
        await peers?.ask("journal broken", null).catch(this.parts.onError);
        throw error;
      });
    const { secret } = state;
    await mark.write({ generation: next, sequence: state.get("sequence"), isClosed: false, secret });
    this.#done(next);
    // Only to free segments, so that nobody waits for it.
    peers?.ask("journal done", next).catch(this.parts.onError);
    await this.#removeSegments(lost).catch(this.parts.onError);
  }

  #done(next: number): void {
    this.parts.state.set("mark", next);
    for (const [path, generation] of this.#live) if (generation < next) this.#live.delete(path);
  }

  /** Removes the segments of a process that has crashed, when all of their records are done. */
  async dropProcess(firstSlot: number): Promise<void> {
    await this.checkpoint();
    const end = firstSlot + slotsPerProcess;
    await removeSegments(this.parts.layout.journalRoot, (slot) => slot >= firstSlot && slot < end);
  }

  /** A worker that replaces another has segments of its own. */
  async #removeSegments(lost: readonly number[]): Promise<void> {
    if (lost.length === 0) return;
    const { layout, state } = this.parts;
    const numbers = lost.map((slot) => state.numberOf(slot));
    await removeSegments(layout.journalRoot, (slot) => numbers.includes(slot));
    for (const slot of lost) state.forgetSlot(slot);
  }

  /** Resolves when all operations of generations before `next` have ended. */
  async #ended(next: number): Promise<void> {
    for (const [generation, running] of this.#running) {
      if (generation >= next) continue;
      if (running.running > 0)
        await new Promise<void>((resolve) => {
          running.onEnd = resolve;
        });
      this.#running.delete(generation);
    }
  }

  async *#changedFiles(next: number): AsyncIterable<string> {
    const { layout, own } = this.parts;
    const found = await readJournal(layout.journalRoot, own?.mark.mark ?? {});
    for await (const { generation, operations } of recordsOf(found)) {
      if (generation >= next) continue;
      for (const operation of operations) if ("path" in operation) yield `${layout.root}/${operation.path}`;
    }
  }

  /** Frees all records. No operation may be running or start. */
  async close(): Promise<void> {
    await this.#looking.stop();
    await this.#checkpoint?.catch(() => {});
    const { own } = this.parts;
    if (own === undefined) return;
    try {
      await this.#close(own.mark);
    } finally {
      await own.syncAll.close();
    }
  }

  async #close(mark: MarkFile): Promise<void> {
    const { layout, state, peers } = this.parts;
    if ((this.#live.size > 0 || peers !== undefined) && !this.#isBroken) await this.checkpoint();
    if (!this.#isBroken) {
      await mark.write({
        generation: state.get("generation") + 1,
        sequence: state.get("sequence"),
        isClosed: true,
        secret: state.secret,
      });
      // Otherwise the next start does it.
      await removeSegments(layout.journalRoot, () => true).catch(this.parts.onError);
    }
    await mark.close();
  }
}
