/**
 * Appends a worker's records to the journal, and makes them durable in groups. One group is written and synced at a time; records
 * that come meanwhile are the next group.
 */
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import {
  encodeRecord,
  jsonOf,
  type NumberedRecord,
  type RecordContent,
  sizeOf,
} from "../../src/storage/filesystem/journal/record.js";
import {
  type JournalSetup,
  SharedState,
  segmentName,
  turns,
} from "../../src/storage/filesystem/journal/shared.js";
import { JournalSegment } from "./journal-segment.js";

/** So that a burst of records fills a segment in several steps. */
const groupBytesMax = 2 * 1024 * 1024;

/** A segment becomes free when a checkpoint has synced its effects. A disk that needs longer for that is unusable. */
const waitMillisecondsMax = 60_000;
const lookMilliseconds = 2;

type Unnumbered = Omit<NumberedRecord, "sequence" | "secret">;

interface Waiting extends Unnumbered {
  readonly size: number;
  readonly since: number;
  resolve(milliseconds: number | undefined): void;
  reject(error: unknown): void;
}

export class JournalWriter {
  readonly #state: SharedState;
  readonly #path: (index: 0 | 1) => string;
  #segments: [JournalSegment, JournalSegment] | undefined;
  #waiting: Waiting[] = [];
  #isRunning = false;

  constructor({ memory, folder }: JournalSetup) {
    this.#state = new SharedState(memory);
    // A worker that replaces another must not overwrite its records.
    const slot = this.#state.claimSlot(threadId);
    this.#path = (index) => `${folder}/${segmentName(this.#state.numberOf(slot), turns[index])}`;
  }

  /**
   * Appends a record of an operation that began in `generation`. Resolves when it is on stable storage, with the
   * milliseconds of the sync, which one of the records that share it reports.
   */
  commit(generation: number, { operations, bytes }: RecordContent): Promise<number | undefined> {
    const json = jsonOf(operations);
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#waiting.push({
        json,
        bytes,
        generation,
        size: sizeOf({ json, bytes }),
        since,
        resolve,
        reject,
      });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      try {
        // Tasks that are ready now share the sync.
        await turn();
        await this.#commitNext();
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      }
    }
    this.#isRunning = false;
  }

  async #commitNext(): Promise<void> {
    const segments = await this.#open();
    const group = this.#group(this.#waiting);
    const segment = await this.#usable(segments, group);
    if (segment !== undefined) return this.#write(segment, group);
    this.#state.set("wanted", 1);
    // A checkpoint waits for operations that began before it: they must not wait for the checkpoint.
    const current = this.#state.get("generation");
    const early = this.#group(this.#waiting.filter(({ generation }) => generation < current));
    if (early.length > 0) return this.#writeBeyond(segments[0], early);
    const isBroken = this.#state.get("broken") === 1;
    this.#rejectWhere(
      ({ since }) => isBroken || performance.now() - since > waitMillisecondsMax,
      unavailable(),
    );
    await pause(lookMilliseconds);
  }

  /** Writes a group to a full segment. */
  async #writeBeyond(segment: JournalSegment, group: readonly Waiting[]): Promise<void> {
    if (segment.failed === undefined && (await segment.allocate(sumOf(group))))
      return this.#write(segment, group);
    const taken = new Set(group);
    const error = segment.failed === undefined ? noRoom() : failedBefore(segment.failed.code);
    this.#rejectWhere((waiting) => taken.has(waiting), error);
  }

  #rejectWhere(is: (waiting: Waiting) => boolean, error: Error): void {
    const rejected = this.#waiting.filter(is);
    this.#waiting = this.#waiting.filter((waiting) => !is(waiting));
    for (const { reject } of rejected) reject(error);
  }

  async #open(): Promise<[JournalSegment, JournalSegment]> {
    if (this.#segments !== undefined) return this.#segments;
    const first = await JournalSegment.open(this.#path(0));
    try {
      this.#segments = [first, await JournalSegment.open(this.#path(1))];
    } catch (error) {
      first.close();
      throw error;
    }
    return this.#segments;
  }

  /** Returns the first of the records, up to the size of a group. */
  #group(waiting: readonly Waiting[]): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    for (const one of waiting) {
      bytes += one.size;
      if (group.length > 0 && bytes > groupBytesMax) break;
      group.push(one);
    }
    return group;
  }

  /** Returns a segment with room for the group: the current one, or the other if its records are done. */
  async #usable(
    segments: [JournalSegment, JournalSegment],
    group: readonly Waiting[],
  ): Promise<JournalSegment | undefined> {
    const bytes = sumOf(group);
    const [current, other] = segments;
    const isDone = other.generation < this.#state.get("mark");
    // With each checkpoint it goes on in the other, so that the next checkpoint sets this one free.
    const isNext = current.used > 0 && generationOf(group) > current.generation;
    if (isDone && (isNext || !current.hasRoom(bytes))) {
      other.restart();
      if (await other.allocate(bytes)) {
        this.#segments = [other, current];
        return other;
      }
    }
    return current.hasRoom(bytes) && (await current.allocate(bytes)) ? current : undefined;
  }

  async #write(segment: JournalSegment, group: readonly Waiting[]): Promise<void> {
    const taken = new Set(group);
    this.#waiting = this.#waiting.filter((waiting) => !taken.has(waiting));
    const other = this.#segments?.find((one) => one !== segment);
    const records: Unnumbered[] = [...group];
    if (other?.failed !== undefined && other.failed.sequences.length > 0)
      records.push({
        json: jsonOf([{ do: "cancel", sequences: other.failed.sequences }]),
        bytes: [],
        // It must count as long as those do.
        generation: other.generation,
      });
    const generation = records.reduce((highest, record) => Math.max(highest, record.generation), 0);
    const { buffer, sequences } = this.#encode(records, segment.used);
    try {
      if (!(await segment.allocate(buffer.length))) throw noRoom();
      const milliseconds = await segment.append(buffer, generation, sequences);
      if (other?.failed !== undefined) other.failed.sequences = [];
      for (const [index, { resolve }] of group.entries()) resolve(index === 0 ? milliseconds : undefined);
    } catch (error) {
      // A crash before the cancellation would repeat records that have reached the disk.
      if (segment.failed !== undefined) Object.assign(error as Error, { isRecorded: true });
      for (const { reject } of group) reject(error);
    }
    if (segment.isHalfFull) this.#state.set("wanted", 1);
  }

  #encode(records: readonly Unnumbered[], groupStart: number) {
    const buffer = Buffer.allocUnsafe(records.reduce((sum, record) => sum + sizeOf(record), 0));
    const sequences: number[] = [];
    const { secret } = this.#state;
    let end = 0;
    for (const record of records) {
      const sequence = this.#state.next("sequence") + 1;
      sequences.push(sequence);
      end = encodeRecord({ ...record, sequence, secret }, buffer, end, groupStart);
    }
    return { buffer, sequences };
  }
}

function sumOf(group: readonly Waiting[]): number {
  return group.reduce((sum, { size }) => sum + size, 0);
}

function generationOf(group: readonly Waiting[]): number {
  return group.reduce((highest, { generation }) => Math.max(highest, generation), 0);
}

function noRoom(): NodeJS.ErrnoException {
  return Object.assign(new Error("there is no room in the journal"), { code: "ENOSPC" });
}

function failedBefore(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error("a write to the journal has failed, and no checkpoint has ended since"), {
    code,
  });
}

function unavailable(): NodeJS.ErrnoException {
  return Object.assign(new Error("the journal is full, and a checkpoint takes too long"), { code: "EIO" });
}
