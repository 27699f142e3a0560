/**
 * The records of the redo journal (docs/decisions/0053). A record has a header, its operations as JSON and their bytes:
 *
 *   0  magic          4 bytes
 *   4  checksum       4, CRC-32 of everything behind it
 *   8  length         4, of the whole record
 *   12 operations     4, length of the JSON
 *   16 sequence       8, increases from record to record of a process, and is higher than those of records that this one depends on
 *   24 generation     8, see `Journal`
 *   32 group start    4, position of the first record that was written with this one
 *   36 unused         4
 *   40 secret         8, a random number of the process, so that no client can push bytes that pass for a record
 *
 * Records begin at multiples of 8 bytes. Numbers are little-endian.
 */
import { crc32 } from "node:zlib";

/** Larger blobs are synced themselves: writing them twice would cost more than their sync (docs/decisions/0053). */
export const journaledBytesMax = 512 * 1024;

/** One change below the store's root; paths are relative to it. Each can be repeated without harm. */
export type JournalOperation =
  /** The record's bytes are a blob: at its content's path, and linked to its path in a repository. */
  | { readonly do: "blob"; readonly path: string; readonly content: string }
  | FileOperation
  /** An empty file. */
  | { readonly do: "mark"; readonly path: string }
  | { readonly do: "link"; readonly from: string; readonly path: string }
  | { readonly do: "remove"; readonly path: string }
  /** The path, and those below it, was changed and synced without the journal: earlier operations on it are void. */
  | { readonly do: "void"; readonly path: string }
  /** These records of the same worker failed, although they may be on the disk. */
  | { readonly do: "cancel"; readonly sequences: readonly number[] };

/** The next `bytes` bytes of the record are a file. */
export interface FileOperation {
  readonly do: "file";
  readonly path: string;
  readonly bytes: number;
  /** When it was modified, in milliseconds since the epoch. */
  readonly at: number;
  /** A directory that exists if the file does. */
  readonly beside?: string;
}

/** What a record says, and the bytes of its operations in order. */
export interface RecordContent {
  readonly operations: readonly JournalOperation[];
  readonly bytes: readonly Uint8Array[];
}

/** A record's place in a segment. */
export interface PlacedRecord {
  readonly position: number;
  readonly length: number;
  readonly sequence: number;
  readonly generation: number;
  readonly groupStart: number;
}

export interface NumberedRecord {
  readonly json: Buffer;
  readonly bytes: readonly Uint8Array[];
  readonly sequence: number;
  readonly generation: number;
  readonly secret: bigint;
}

const magic = 0x314a5247;
export const headerBytes = 48;
export const alignment = 8;

export function jsonOf(operations: readonly JournalOperation[]): Buffer {
  return Buffer.from(JSON.stringify(operations));
}

export function aligned(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}

/** Returns the size of a record, up to where the next one begins. */
export function sizeOf({ json, bytes }: Pick<NumberedRecord, "json" | "bytes">): number {
  return aligned(headerBytes + json.length + bytes.reduce((sum, { length }) => sum + length, 0));
}

/**
 * Writes the record into `group`, which will be written to the segment at `groupStart`, from `offset` on. Returns where the
 * next one begins.
 */
export function encodeRecord(
  record: NumberedRecord,
  group: Buffer,
  offset: number,
  groupStart: number,
): number {
  const { json, bytes, sequence, generation, secret } = record;
  let end = offset + headerBytes;
  end += json.copy(group, end);
  for (const part of bytes) {
    group.set(part, end);
    end += part.length;
  }
  group.writeUInt32LE(magic, offset);
  group.writeUInt32LE(end - offset, offset + 8);
  group.writeUInt32LE(json.length, offset + 12);
  group.writeBigUInt64LE(BigInt(sequence), offset + 16);
  group.writeBigUInt64LE(BigInt(generation), offset + 24);
  group.writeUInt32LE(groupStart, offset + 32);
  group.writeUInt32LE(0, offset + 36);
  group.writeBigUInt64LE(secret, offset + 40);
  group.writeUInt32LE(crc32(group.subarray(offset + 8, end)), offset + 4);
  const next = offset + aligned(end - offset);
  group.fill(0, end, next);
  return next;
}

export function hasMagic(segment: Buffer, position: number): boolean {
  return position + headerBytes <= segment.length && segment.readUInt32LE(position) === magic;
}

/** Returns the secret of what looks like a record, or `undefined`. */
export function secretAt(segment: Buffer, position: number): bigint | undefined {
  if (!hasMagic(segment, position)) return undefined;
  return segment.readBigUInt64LE(position + 40);
}

/** Returns the length of what looks like a record. */
export function lengthAt(segment: Buffer, position: number): number {
  return segment.readUInt32LE(position + 8);
}

/** Returns the numbers of an intact record. */
export function numbersAt(segment: Buffer, position: number): Pick<PlacedRecord, "sequence" | "generation"> {
  return {
    sequence: Number(segment.readBigUInt64LE(position + 16)),
    generation: Number(segment.readBigUInt64LE(position + 24)),
  };
}

/** Returns the record with the secret at the position of a segment, or `undefined` if none is intact there. */
export function recordAt(segment: Buffer, position: number, secret: bigint): PlacedRecord | undefined {
  // First, since a client's bytes can make the rest expensive.
  if (secretAt(segment, position) !== secret) return undefined;
  const length = lengthAt(segment, position);
  const json = segment.readUInt32LE(position + 12);
  if (length < headerBytes + json || position + length > segment.length) return undefined;
  if (crc32(segment.subarray(position + 8, position + length)) !== segment.readUInt32LE(position + 4))
    return undefined;
  return {
    position,
    length,
    ...numbersAt(segment, position),
    groupStart: segment.readUInt32LE(position + 32),
  };
}

/** Returns the content of an intact record. The bytes are one part, in the order of the operations. */
export function contentOf(record: Buffer): { operations: JournalOperation[]; bytes: Buffer } {
  const json = record.readUInt32LE(12);
  const operations = JSON.parse(
    record.toString("utf8", headerBytes, headerBytes + json),
  ) as JournalOperation[];
  return { operations, bytes: record.subarray(headerBytes + json) };
}
