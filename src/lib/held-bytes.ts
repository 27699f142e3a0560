/**
 * Bytes of a sender that cannot be stopped yet, kept until there is a place for them: in memory as long as there is
 * some, and behind that in a file. The newer uWebSockets.js reads a socket again and again in one turn of the event
 * loop, whatever is paused, as long as each read fills its buffer: a client on the same machine brought 112 MiB that
 * way (docs/decisions/0042).
 */
import { GrowingBuffer, type MemoryAccount } from "./growing-buffer.js";

/** A file that goes when it is closed, or with the process. Reads and writes are synchronous; both throw. */
export interface ScratchFile {
  write(bytes: Uint8Array, position: number): void;
  /** Fills `into`, or as much of it as there is; returns how much. */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

/** Where files come from, and what is counted of them. */
export interface ScratchSpace {
  /** Returns `undefined` if there are too many. Throws what the file system fails with. */
  open(): ScratchFile | undefined;
  /** Returns whether so many more bytes may be written. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** Everything that reads a file back does so at once, so one buffer serves all. */
let readBack: Buffer | undefined;
const readBackBytes = 256 * 1024;

export class HeldBytes {
  readonly #memory: GrowingBuffer;
  #file: ScratchFile | undefined;
  /** The part of the file that is still to be read. */
  #start = 0;
  #end = 0;

  /** Without `space`, all bytes are kept in memory. */
  constructor(
    account: MemoryAccount,
    readonly space?: ScratchSpace,
  ) {
    this.#memory = new GrowingBuffer(account);
  }

  get length(): number {
    return this.#memory.length + this.#end - this.#start;
  }

  /** Adds a copy of `chunk`. Returns false, and adds nothing, if there is no room. Throws what the file fails with. */
  append(chunk: Uint8Array): boolean {
    // Once there is a file the bytes behind it have to go there too, to keep their order.
    if (this.#file === undefined) {
      if (this.#memory.append(chunk)) return true;
      this.#file = this.space?.open();
    }
    if (this.#file === undefined || this.space?.take(chunk.length) !== true) return false;
    try {
      this.#file.write(chunk, this.#end);
    } catch (error) {
      this.space.give(chunk.length);
      throw error;
    }
    this.#end += chunk.length;
    return true;
  }

  /** The first of the bytes, or all. Valid until the next call of any method, of any instance. Throws what the file fails with. */
  peek(): Uint8Array {
    if (this.#file === undefined || this.#memory.length > 0) return this.#memory.bytes;
    readBack ??= Buffer.allocUnsafeSlow(readBackBytes);
    const wanted = readBack.subarray(0, Math.min(readBackBytes, this.#end - this.#start));
    return wanted.subarray(0, this.#file.read(wanted, this.#start));
  }

  /** Removes the first `count` bytes, all of which the last `peek` has returned. */
  drop(count: number): void {
    if (this.#memory.length > 0) {
      this.#memory.drop(count);
      if (this.#memory.length === 0) this.#memory.clear();
    } else {
      this.#start += count;
      if (this.#start === this.#end) this.#closeFile();
    }
  }

  /** Removes everything. */
  clear(): void {
    this.#memory.clear();
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file === undefined) return;
    this.#file.close();
    this.#file = undefined;
    this.space?.give(this.#end);
    this.#start = 0;
    this.#end = 0;
  }
}
