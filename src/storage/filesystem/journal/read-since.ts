/** Reads the records of a journal that count by its mark, also if the last mark is lost. */
import { open } from "node:fs/promises";
import { readFlags } from "../checked-files.js";
import type { Mark, MarkFile } from "./mark.js";
import { headerBytes, lengthAt, recordAt, secretAt } from "./record.js";
import { emptyJournal, readJournal, type StoredJournal, segmentFiles } from "./segments.js";

type Start = Pick<Mark, "generation" | "secret">;

/**
 * A journal that was closed is not read, and records with another secret than the mark's do not count: they are older. Newer
 * ones show that a later mark was lost, in both of its places. A start writes a mark before any record, and of a higher
 * generation than all intact records; so records of a later start are newer than the mark before it, and no others are.
 */
export async function readSince(
  folder: string,
  file: MarkFile | undefined,
  onDamage: (why: string) => void,
): Promise<StoredJournal> {
  const mark = file?.mark;
  if (file === undefined || mark === undefined) return readJournal(folder, {});
  const newest = await newestStart(folder);
  const isOther = newest !== undefined && (mark.isClosed || newest.secret !== mark.secret);
  if (isOther && newest.generation > mark.generation) {
    onDamage("damaged: the last mark is lost, so all changes since the last start were repeated");
    return readJournal(folder, { generation: mark.generation + 1, secret: newest.secret });
  }
  if (file.isDamaged) onDamage("damaged in one of two places, and read from the other");
  if (!mark.isClosed) return readJournal(folder, mark);
  return emptyJournal(mark);
}

/**
 * Returns the generation and the secret of the newest process that has begun a segment, or `undefined` if there is none. Its
 * first record is where no bytes of a blob can be.
 */
async function newestStart(folder: string): Promise<Start | undefined> {
  let newest: Start | undefined;
  for (const file of await segmentFiles(folder)) {
    const found = await firstRecord(file);
    if (found !== undefined && found.generation > (newest?.generation ?? -1)) newest = found;
  }
  return newest;
}

async function firstRecord(file: string): Promise<Start | undefined> {
  const handle = await open(file, readFlags);
  try {
    const header = Buffer.alloc(headerBytes);
    await handle.read(header, 0, headerBytes, 0);
    const secret = secretAt(header, 0);
    const length = lengthAt(header, 0);
    if (secret === undefined || length > (await handle.stat()).size) return undefined;
    const bytes = Buffer.alloc(length);
    await handle.read(bytes, 0, length, 0);
    const record = recordAt(bytes, 0, secret);
    return record && { generation: record.generation, secret };
  } finally {
    await handle.close();
  }
}
