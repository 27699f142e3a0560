/** The segments of a store's journal: reads their records, and removes them. */
import { lstat, open, readdir, stat, unlink } from "node:fs/promises";
import { basename } from "node:path";
import { readFlags } from "../checked-files.js";
import { ifThere } from "../files.js";
import type { Mark } from "./mark.js";
import { contentOf } from "./record.js";
import { scanSegment } from "./scan.js";
import { readAt, SegmentReader, type StoredRecord, type StoredSegment } from "./segment-reader.js";
import { markName, slotOf } from "./shared.js";

export interface StoredJournal {
  readonly segments: readonly StoredSegment[];
  /** Number of records of `mark` or later generations. */
  readonly records: number;
  /** Number of their operations that void earlier ones, and of the others that name a path. */
  readonly voids: number;
  readonly changes: number;
  /** Slots and numbers of records that failed: another process may have given the same number to another record. */
  readonly cancelled: ReadonlySet<string>;
  /** The highest numbers in any record. */
  readonly sequence: number;
  readonly generation: number;
  /** Segments with acknowledged records that cannot be read. */
  readonly damaged: readonly string[];
}

export function emptyJournal({ sequence, generation }: Pick<Mark, "sequence" | "generation">): StoredJournal {
  const counts = { records: 0, voids: 0, changes: 0 };
  return { segments: [], ...counts, cancelled: new Set(), sequence, generation, damaged: [] };
}

export async function segmentFiles(folder: string): Promise<string[]> {
  const names = (await ifThere(readdir(folder))) ?? [];
  return names.filter((name) => slotOf(name) !== undefined).map((name) => `${folder}/${name}`);
}

/** Rejects if something else is in the place of the journal's folder or of one of its files. */
export async function demandFiles(folder: string): Promise<void> {
  const remedy = "move it out of the store, and start again";
  const found = await ifThere(stat(folder));
  if (found?.isDirectory() === false) throw new Error(`${folder} is not a folder: ${remedy}`);
  for (const file of [`${folder}/${markName}`, ...(await segmentFiles(folder))])
    if ((await ifThere(lstat(file)))?.isFile() === false) throw new Error(`${file} is not a file: ${remedy}`);
}

/** Has one segment at a time in memory: none is much larger than 32 MiB. */
export async function readJournal(
  folder: string,
  { generation: mark = 0, secret }: Partial<Pick<Mark, "generation" | "secret">>,
): Promise<StoredJournal> {
  const segments: StoredSegment[] = [];
  const damaged: string[] = [];
  const cancelled = new Set<string>();
  let [sequence, generation, voids, changes] = [0, 0, 0, 0];
  let memory: Buffer = Buffer.alloc(0);
  for (const file of await segmentFiles(folder)) {
    memory = await readInto(memory, file);
    const { records, damagedAt } = scanSegment(memory, mark, secret);
    if (damagedAt.length > 0) damaged.push(file);
    for (const record of records) {
      sequence = Math.max(sequence, record.sequence);
      generation = Math.max(generation, record.generation);
    }
    const counting = records.filter((record) => record.generation >= mark);
    if (counting.length === 0) continue;
    const slot = slotOf(basename(file)) ?? 0;
    for (const { position, length } of counting)
      for (const operation of contentOf(memory.subarray(position, position + length)).operations)
        if (operation.do === "cancel")
          for (const failed of operation.sequences) cancelled.add(`${slot}:${failed}`);
        else if (operation.do === "void") voids++;
        else changes++;
    segments.push({ file, slot, positions: Uint32Array.from(counting, ({ position }) => position) });
  }
  const records = segments.reduce((sum, { positions }) => sum + positions.length, 0);
  return { segments, records, voids, changes, cancelled, sequence, generation, damaged };
}

/** Returns the bytes of a file, in the memory if they fit. */
async function readInto(memory: Buffer, file: string): Promise<Buffer> {
  const handle = await open(file, readFlags);
  try {
    const { size } = await handle.stat();
    const bytes =
      size > memory.buffer.byteLength ? Buffer.allocUnsafeSlow(size) : Buffer.from(memory.buffer, 0, size);
    await readAt(handle, bytes, 0);
    return bytes;
  } finally {
    await handle.close();
  }
}

/** Yields all records that were not cancelled, in the order of their numbers, with one part of each segment in memory. */
export async function* recordsOf({ segments, cancelled }: StoredJournal): AsyncGenerator<StoredRecord, void> {
  const readers: SegmentReader[] = [];
  try {
    for (const segment of segments) readers.push(await SegmentReader.open(segment));
    for (;;) {
      let next: SegmentReader | undefined;
      for (const reader of readers)
        if (reader.sequence < (next?.sequence ?? Number.POSITIVE_INFINITY)) next = reader;
      if (next === undefined) return;
      if (!cancelled.has(`${next.segment.slot}:${next.sequence}`)) yield next.record();
      await next.advance();
    }
  } finally {
    for (const { handle } of readers) await handle.close();
  }
}

/** Removes the segments of some workers. */
export async function removeSegments(folder: string, isOf: (slot: number) => boolean): Promise<void> {
  for (const file of await segmentFiles(folder)) if (isOf(slotOf(basename(file)) ?? 0)) await unlink(file);
}
