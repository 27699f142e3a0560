/** Writes segments of a store's journal, as a killed server leaves them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MarkFile } from "../../src/storage/filesystem/journal/mark.js";
import {
  encodeRecord,
  jsonOf,
  type NumberedRecord,
  type RecordContent,
  sizeOf,
} from "../../src/storage/filesystem/journal/record.js";

const secret = 7n;
export const segmentBytes = 32 * 1024 * 1024;

/** Begins the journal of a store that has nothing else. */
export async function beginJournal(root: string): Promise<void> {
  await mkdir(join(root, "journal"), { recursive: true });
  const mark = await MarkFile.open(join(root, "journal", "mark"), true);
  await mark?.write({ generation: 1, sequence: 0, isClosed: false, secret });
  await mark?.close();
}

/** Fills a segment with records of these contents, each a group of its own, as far as there is room. Returns their number. */
export async function fillSegment(
  root: string,
  name: string,
  contents: Iterable<RecordContent>,
  firstSequence = 1,
): Promise<number> {
  const segment = Buffer.alloc(segmentBytes);
  let [end, sequence] = [0, firstSequence];
  for (const { operations, bytes } of contents) {
    const record: NumberedRecord = { json: jsonOf(operations), bytes, sequence, generation: 1, secret };
    if (end + sizeOf(record) > segment.length) break;
    end = encodeRecord(record, segment, end, end);
    sequence++;
  }
  await writeFile(join(root, "journal", name), segment);
  return sequence - firstSequence;
}
