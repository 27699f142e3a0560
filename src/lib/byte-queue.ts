/**
 * Bytes that arrive in pieces and leave in order. They are kept in blocks: a queue that grows copies nothing, and a million
 * pieces of one byte cost no more than one piece of a million bytes.
 */
import type { MemoryAccount } from "./growing-buffer.js";

/** Below the 128 KiB from which glibc maps fresh pages for each allocation. */
const blockBytes = 64 * 1024;

/** The first blocks of a queue are smaller, because most queues hold little. The object itself takes about 200 bytes. */
const firstBlockBytesMin = 512;

/** Released blocks, 2 MiB, kept for reuse: V8 counts new blocks as external memory, and collects more often because of them. */
const sparesMax = 32;
const spares: Buffer[] = [];

export class ByteQueue {
  readonly #blocks: Buffer[] = [];
  /** Offset of the first byte in the first block. */
  #start = 0;
  /** Offset behind the last byte in the last block. */
  #end = 0;
  #length = 0;

  constructor(readonly account: MemoryAccount) {}

  /** Number of bytes held. */
  get length(): number {
    return this.#length;
  }

  /** Adds a copy of `chunk`. Returns false, and adds nothing, if the account has not enough memory left. */
  append(chunk: Uint8Array): boolean {
    const last = this.#blocks.at(-1);
    const fitting = last === undefined ? 0 : Math.min(last.length - this.#end, chunk.length);
    const missing = chunk.length - fitting;
    const size = Math.min(blockBytes, Math.max(firstBlockBytesMin, missing, this.#length));
    const added = Math.ceil(missing / size);
    if (!this.account.take(added * size)) return false;
    if (fitting > 0) {
      last?.set(fitting === chunk.length ? chunk : chunk.subarray(0, fitting), this.#end);
      this.#end += fitting;
    }
    for (let taken = fitting; taken < chunk.length; taken += size) {
      const block = newBlock(size);
      const part = chunk.subarray(taken, taken + size);
      block.set(part);
      this.#blocks.push(block);
      this.#end = part.length;
    }
    this.#length += chunk.length;
    return true;
  }

  /** Returns the first bytes, at least one if there are any. Valid until the next call of another method. */
  peek(): Uint8Array {
    const [first] = this.#blocks;
    if (first === undefined) return new Uint8Array();
    return first.subarray(this.#start, this.#blocks.length === 1 ? this.#end : first.length);
  }

  /** Removes the first `count` bytes, at most those that `peek` returns. */
  drop(count: number): void {
    const [first] = this.#blocks;
    if (first === undefined) return;
    this.#start += count;
    this.#length -= count;
    if (this.#length > 0 && this.#start < first.length) return;
    this.#blocks.shift();
    this.#start = 0;
    this.#release(first);
  }

  /** Removes all bytes. */
  clear(): void {
    for (const block of this.#blocks.splice(0)) this.#release(block);
    this.#start = 0;
    this.#length = 0;
  }

  #release(block: Buffer): void {
    this.account.give(block.length);
    if (block.length === blockBytes && spares.length < sparesMax) spares.push(block);
  }
}

function newBlock(bytes: number): Buffer {
  // Not from Node's pool: a small slice would keep 8 KiB of it.
  return (bytes === blockBytes ? spares.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
}
