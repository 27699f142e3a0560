/** The segments of a store's journal: reads their records, and removes them. */
import { type FileHandle, open, readdir, unlink } from "node:fs/promises";
import { readFlags } from "../checked-files.js";
import { ifThere } from "../files.js";
import type { Mark } from "./mark.js";
import { contentOf, type JournalOperation, type PlacedRecord } from "./record.js";
import { scanSegment } from "./scan.js";
import { slotOf } from "./shared.js";

export interface StoredRecord extends PlacedRecord {
  /** The segment's path. */
  readonly file: string;
  /** Voids and cancellations of this record. */
  readonly annulments: readonly JournalOperation[];
  /** Paths that it changes, relative to the root. */
  readonly paths: readonly string[];
}

export interface StoredJournal {
  /** Records of `mark` or later generations, in order. */
  readonly records: readonly StoredRecord[];
  /** The highest numbers in any record. */
  readonly sequence: number;
  readonly generation: number;
  /** Segments with acknowledged records that cannot be read. */
  readonly damaged: readonly string[];
}

export async function segmentFiles(folder: string): Promise<string[]> {
  const names = (await ifThere(readdir(folder))) ?? [];
  return names.filter((name) => slotOf(name) !== undefined).map((name) => `${folder}/${name}`);
}

/** Reads one segment at a time: none is much larger than 32 MiB. */
export async function readJournal(
  folder: string,
  { generation: mark = 0, secret }: Partial<Pick<Mark, "generation" | "secret">>,
): Promise<StoredJournal> {
  const records: StoredRecord[] = [];
  const damaged: string[] = [];
  let [sequence, generation] = [0, 0];
  for (const file of await segmentFiles(folder)) {
    const bytes = await readFile(file);
    const { records: found, damagedAt } = scanSegment(bytes, mark, secret);
    if (damagedAt.length > 0) damaged.push(file);
    for (const record of found) {
      sequence = Math.max(sequence, record.sequence);
      generation = Math.max(generation, record.generation);
      if (record.generation < mark) continue;
      const { operations } = contentOf(bytes.subarray(record.position, record.position + record.length));
      records.push({
        ...record,
        file,
        annulments: operations.filter((operation) => operation.do === "void" || operation.do === "cancel"),
        paths: operations.flatMap((operation) => ("path" in operation ? operation.path : [])),
      });
    }
  }
  records.sort((a, b) => a.sequence - b.sequence);
  return { records, sequence, generation, damaged };
}

/** Returns the bytes of a file. Follows no symbolic link, and does not wait for a pipe. */
export async function readFile(file: string): Promise<Buffer> {
  const handle = await open(file, readFlags);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Yields the contents of records, with one file open at a time. */
export async function* contentsOf(
  records: readonly StoredRecord[],
): AsyncGenerator<{ record: StoredRecord; operations: JournalOperation[]; bytes: Buffer }, void> {
  const handles = new Map<string, FileHandle>();
  try {
    for (const record of records) {
      const handle = handles.get(record.file) ?? (await open(record.file, readFlags));
      handles.set(record.file, handle);
      const bytes = Buffer.alloc(record.length);
      await handle.read(bytes, 0, bytes.length, record.position);
      yield { record, ...contentOf(bytes) };
    }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
}

/** Removes the segments of some workers. */
export async function removeSegments(folder: string, isOf: (slot: number) => boolean): Promise<void> {
  for (const file of await segmentFiles(folder))
    if (isOf(slotOf(file.slice(folder.length + 1)) ?? 0)) await unlink(file);
}
