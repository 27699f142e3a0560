/**
 * The mark of the journal: records of earlier generations are done, and their effects on stable storage. It is overwritten in
 * place, in two slots by turns, so that a torn write leaves the previous mark, and a full disk does not prevent it.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ifThere } from "../files.js";

export interface Mark {
  /** The first generation whose records count. */
  readonly generation: number;
  /** No record has a higher number. */
  readonly sequence: number;
  /** Whether the journal was closed, so that it has no records that count. */
  readonly isClosed: boolean;
  /** In all records since the start of the process. */
  readonly secret: bigint;
}

/** A disk writes a sector whole. */
const slotBytes = 512;
const magic = 0x4d4a5247;

/** Positions of the slots. */
export const markSlots = [0, slotBytes] as const;

export class MarkFile {
  #slot = 0;

  private constructor(
    readonly handle: FileHandle,
    public mark: Mark | undefined,
  ) {}

  /** Opens the file, and creates it if `create`. Its name is not on stable storage. */
  static async open(path: string, create: boolean): Promise<MarkFile | undefined> {
    const flags = constants.O_NOFOLLOW | (create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY);
    const handle = await ifThere(open(path, flags));
    if (handle === undefined) return undefined;
    const bytes = Buffer.alloc(2 * slotBytes);
    await handle.read(bytes, 0, bytes.length, 0);
    const [first, second] = markSlots.map((at) => markIn(bytes, at));
    const isSecond = (second?.generation ?? -1) > (first?.generation ?? -1);
    const file = new MarkFile(handle, isSecond ? second : first);
    file.#slot = isSecond ? 0 : 1;
    return file;
  }

  /** Writes a mark of a higher generation. Resolves when it is on stable storage. */
  async write(mark: Mark): Promise<void> {
    const slot = Buffer.alloc(slotBytes);
    slot.writeUInt32LE(magic, 0);
    slot.writeBigUInt64LE(BigInt(mark.generation), 8);
    slot.writeBigUInt64LE(BigInt(mark.sequence), 16);
    slot.writeUInt8(mark.isClosed ? 1 : 0, 24);
    slot.writeBigUInt64LE(mark.secret, 32);
    slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
    await this.handle.write(slot, 0, slot.length, this.#slot * slotBytes);
    await this.handle.datasync();
    this.mark = mark;
    this.#slot = 1 - this.#slot;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Returns the mark in a slot, or `undefined` if it is torn or was never written. */
export function markIn(bytes: Buffer, at: number): Mark | undefined {
  const slot = bytes.subarray(at, at + slotBytes);
  if (slot.length < slotBytes) return undefined;
  if (slot.readUInt32LE(0) !== magic || slot.readUInt32LE(4) !== crc32(slot.subarray(8))) return undefined;
  return {
    generation: Number(slot.readBigUInt64LE(8)),
    sequence: Number(slot.readBigUInt64LE(16)),
    isClosed: slot.readUInt8(24) === 1,
    secret: slot.readBigUInt64LE(32),
  };
}
