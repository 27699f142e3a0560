/**
 * Holds bytes that arrive although the sender was paused, until a slab or a handler takes them: in memory while the account
 * allows, then in a file. The newer uWebSockets.js reads a paused socket on within one turn of the event loop as long as
 * each read fills its buffer; a client on the same machine delivered 112 MiB that way (docs/decisions/0042).
 */
import { ByteQueue } from "./byte-queue.js";
import type { MemoryAccount } from "./growing-buffer.js";

/** A temporary file that disappears when it is closed or the process ends. */
export interface ScratchFile {
  /** Synchronous. Throws. */
  write(bytes: Uint8Array, position: number): void;
  /** Synchronous. Reads into `into` and returns the number of bytes read. Throws. */
  read(into: Uint8Array, position: number): number;
  /** Like `write`, by a file thread. The caller keeps the bytes until it resolves. */
  writeLater(bytes: Uint8Array, position: number): Promise<void>;
  /** Like `read`, by a file thread. */
  readLater(into: Uint8Array, position: number): Promise<number>;
  /** Call it when no read or write is running. */
  close(): void;
}

/** A scratch file whose size is bounded. */
export interface BoundedFile extends Pick<ScratchFile, "read" | "close"> {
  /** Returns false, and writes nothing, if the bound is reached. */
  write(bytes: Uint8Array, position: number): boolean;
}

/** Reading back is synchronous, so one buffer serves all instances. */
let readBack: Buffer | undefined;
const readBackBytes = 256 * 1024;

export class HeldBytes {
  readonly #memory: ByteQueue;
  #file: BoundedFile | undefined;
  /** The part of the file that has not been read back. */
  #start = 0;
  #end = 0;

  /** `openFile` returns undefined if too many files are open. Without it, all bytes are kept in memory. */
  constructor(
    account: MemoryAccount,
    readonly openFile?: () => BoundedFile | undefined,
  ) {
    this.#memory = new ByteQueue(account);
  }

  get length(): number {
    return this.#memory.length + this.#end - this.#start;
  }

  /** Adds a copy of `chunk`. Returns false, and adds nothing, if there is no room. Throws file system errors. */
  append(chunk: Uint8Array): boolean {
    // Once there is a file, all further bytes go there, to keep their order.
    if (this.#file === undefined) {
      if (this.#memory.append(chunk)) return true;
      this.#file = this.openFile?.();
    }
    if (this.#file?.write(chunk, this.#end) !== true) return false;
    this.#end += chunk.length;
    return true;
  }

  /** Returns the first bytes, at least one if there are any. Valid until the next call on any instance. Throws file system errors. */
  peek(): Uint8Array {
    if (this.#file === undefined || this.#memory.length > 0) return this.#memory.peek();
    readBack ??= Buffer.allocUnsafeSlow(readBackBytes);
    const wanted = readBack.subarray(0, Math.min(readBackBytes, this.#end - this.#start));
    return wanted.subarray(0, this.#file.read(wanted, this.#start));
  }

  /** Removes the first `count` bytes, which the last `peek` returned. */
  drop(count: number): void {
    if (this.#memory.length > 0) {
      this.#memory.drop(count);
    } else {
      this.#start += count;
      if (this.#start === this.#end) this.#closeFile();
    }
  }

  /** Removes all bytes and closes the file. */
  clear(): void {
    this.#memory.clear();
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file === undefined) return;
    this.#file.close();
    this.#file = undefined;
    this.#start = 0;
    this.#end = 0;
  }
}
