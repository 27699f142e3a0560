/**
 * The mark of the journal: records of earlier generations are done, and their effects on stable storage. It is overwritten in
 * place, so that a full disk does not prevent it, in one of two slots after the other. A torn write leaves the mark before, and
 * nothing relies on the new one until it is in both: a slot that is damaged later has no mark that the other lacks. With an
 * older mark, a start would repeat changes that others have replaced without a record, such as a push before a deletion.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { confirmName } from "../confirm-name.js";
import { errorCode, ifThere } from "../files.js";

export interface Mark {
  /** The first generation whose records count. */
  readonly generation: number;
  /** No record of the process that writes the mark has a higher number. */
  readonly sequence: number;
  /** Whether the journal was closed, so that it has no records that count. */
  readonly isClosed: boolean;
  /** In all records since the start of the process. */
  readonly secret: bigint;
}

/** A disk writes a sector whole. */
const slotBytes = 512;
/** Many disks write, and lose, 4 KiB at once. */
const blockBytes = 4096;
const magic = 0x4d4a5247;

/** Positions of the slots. */
export const markSlots = [0, blockBytes] as const;

/** Earlier versions had the second slot there; a write to the first one removes it. */
const earlierSlot = slotBytes;

export class MarkFile {
  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
    public mark: Mark | undefined,
    /** Whether a slot is torn or damaged. */
    readonly isDamaged: boolean,
    /** The slot that has `mark`: the other one is written first. */
    private kept: number,
  ) {}

  /** Opens the file, and creates it if `create`. Its name is not on stable storage. */
  static async open(path: string, create: boolean): Promise<MarkFile | undefined> {
    const flags = constants.O_NOFOLLOW | (create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY);
    const handle = await ifThere(open(path, flags));
    if (handle === undefined) return undefined;
    try {
      if (create) await allocate(handle);
      const [first, second] = [await readBlock(handle, 0), await readBlock(handle, blockBytes)];
      const slots = [slotAt(first, 0), slotAt(second, 0), slotAt(first, earlierSlot)];
      const marks = slots.map((slot) => (slot === "damaged" ? undefined : slot));
      const generations = marks.map((mark) => mark?.generation ?? -1);
      const newest = generations.indexOf(Math.max(...generations));
      const isDamaged = slots.includes("damaged");
      return new MarkFile(path, handle, marks[newest], isDamaged, newest === 1 ? 1 : 0);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Rejects if the journal was removed or replaced. */
  confirm(): Promise<void> {
    return confirmName(this.path, this.handle, ": restart the server");
  }

  /** Writes a mark of a higher generation. Resolves when it is on stable storage, twice. */
  async write(mark: Mark): Promise<void> {
    const block = Buffer.alloc(blockBytes);
    const slot = block.subarray(0, slotBytes);
    slot.writeUInt32LE(magic, 0);
    slot.writeBigUInt64LE(BigInt(mark.generation), 8);
    slot.writeBigUInt64LE(BigInt(mark.sequence), 16);
    slot.writeUInt8(mark.isClosed ? 1 : 0, 24);
    slot.writeBigUInt64LE(mark.secret, 32);
    slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
    for (const next of [1 - this.kept, this.kept]) {
      await this.handle.write(block, 0, blockBytes, markSlots[next]);
      await this.handle.datasync();
      this.kept = next;
    }
    this.mark = mark;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** A full disk must not prevent the first write to a slot. */
async function allocate(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const zeros = Buffer.alloc(Math.max(0, 2 * blockBytes - size));
  if (zeros.length > 0) await handle.write(zeros, 0, zeros.length, size);
}

/** Returns `undefined` if the disk cannot read it. Bytes beyond the end of the file count as zeros. */
async function readBlock(handle: FileHandle, at: number): Promise<Buffer | undefined> {
  const block = Buffer.alloc(blockBytes);
  try {
    await handle.read(block, 0, blockBytes, at);
    return block;
  } catch (error) {
    if (errorCode(error) !== "EIO") throw error;
    return undefined;
  }
}

/** Returns `undefined` if the slot was never written. */
function slotAt(block: Buffer | undefined, at: number): Mark | "damaged" | undefined {
  if (block === undefined) return "damaged";
  const isBlank = block.subarray(at, at + slotBytes).every((byte) => byte === 0);
  return isBlank ? undefined : (markIn(block, at) ?? "damaged");
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
