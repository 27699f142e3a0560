/**
 * Writes lines to a file or terminal with libuv's threads, one write at a time, so that a hanging disk blocks only one
 * thread. The descriptor is non-blocking: a paused terminal or an unread named pipe fails at once and is retried, without
 * blocking a thread (docs/decisions/0034).
 */
import { close, constants, openSync, write, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { LineTarget } from "../lib/line-writer.js";
import { makeFolders } from "../storage/make-folders.js";

/** Not readable by other users: the audit log names users and actions. */
const fileMode = 0o640;

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;

/** Pauses before retrying a destination that accepts nothing; they double up to the maximum. */
const pauseMillisecondsMin = 1;
const pauseMillisecondsMax = 100;

export class FileTarget implements LineTarget {
  #isWriting = false;
  /** The file that replaces the open one after the current write. */
  #next: number | undefined;

  private constructor(
    private descriptor: number,
    readonly path: string | undefined,
  ) {}

  /** Appends to the file at `path`, which is created, and its folder too. Rejects if it cannot be opened. */
  static async open(path: string): Promise<FileTarget> {
    await makeFolders(dirname(resolve(path)));
    return new FileTarget(openForAppending(path), path);
  }

  /** Writes to an open descriptor at its offset, and never closes it. */
  static of(descriptor: number): FileTarget {
    return new FileTarget(descriptor, undefined);
  }

  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void {
    this.#isWriting = true;
    this.#write(bytes, 0, pauseMillisecondsMin, (error, written) => {
      this.#isWriting = false;
      this.#replace();
      done(error, written);
    });
  }

  #write(
    bytes: Uint8Array,
    begin: number,
    pause: number,
    done: (error: unknown, written: number) => void,
  ): void {
    write(this.descriptor, bytes, begin, bytes.length - begin, null, (error, written) => {
      const end = error === null ? begin + written : begin;
      if (error !== null && error.code !== "EAGAIN") done(error, begin);
      else if (end === bytes.length) done(undefined, end);
      else if (error === null) this.#write(bytes, end, pauseMillisecondsMin, done);
      else {
        const longer = Math.min(pause * 2, pauseMillisecondsMax);
        setTimeout(() => this.#write(bytes, begin, longer, done), pause).unref();
      }
    });
  }

  writeAtExit(bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length; )
        written += writeSync(this.descriptor, bytes, written, bytes.length - written);
    } catch {
      // At exit there is no time for a retry.
    }
  }

  /**
   * Reopens the path, after log rotation has moved the file away, and switches to it after the current write. Throws if it
   * cannot be opened, and then keeps the previous file.
   */
  reopen(): void {
    if (this.path === undefined) return;
    const descriptor = openForAppending(this.path);
    if (this.#next !== undefined) close(this.#next);
    this.#next = descriptor;
    if (!this.#isWriting) this.#replace();
  }

  #replace(): void {
    if (this.#next === undefined) return;
    close(this.descriptor);
    this.descriptor = this.#next;
    this.#next = undefined;
  }

  /** Waits for the current write, so that no other file gets the descriptor's number meanwhile. */
  close(): void {
    if (this.path !== undefined && !this.#isWriting) close(this.descriptor);
  }
}

/** Without `O_NONBLOCK`, opening a named pipe would wait for its reader. */
function openForAppending(path: string): number {
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, fileMode);
}
