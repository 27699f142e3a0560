/**
 * A file or a terminal that lines are written to, by libuv's threads: one write at a time, so that a disk which hangs
 * takes one thread. The descriptor does not block: a terminal that was paused, or a named pipe that nobody reads,
 * says so at once and is asked again, and takes no thread (docs/decisions/0034).
 */
import { close, constants, mkdirSync, openSync, write, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LineTarget } from "../lib/line-writer.js";

/** Who did what is for the operator to read. */
const fileMode = 0o640;

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;

/** Pauses before a destination that takes nothing at the moment is asked again: they double up to the longest. */
const pauseMillisecondsMin = 1;
const pauseMillisecondsMax = 100;

export class FileTarget implements LineTarget {
  #isWriting = false;
  /** The file that replaces the open one when its write has ended. */
  #next: number | undefined;

  private constructor(
    private descriptor: number,
    readonly path: string | undefined,
  ) {}

  /** Appends to the file at `path`, which is created, and its folder too. Throws if it cannot be opened. */
  static open(path: string): FileTarget {
    mkdirSync(dirname(path), { recursive: true });
    return new FileTarget(openForAppending(path), path);
  }

  /** Writes to what is open already, where its offset is. It is never closed. */
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
      // It takes nothing now, and there is no later.
    }
  }

  /**
   * Goes on in what is at the path now, after the file was moved away, once the write that is under way has ended.
   * Throws if that cannot be opened; then it goes on in the file before.
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

  /** A write that is under way keeps it open: another file must not get its number. */
  close(): void {
    if (this.path !== undefined && !this.#isWriting) close(this.descriptor);
  }
}

/** Without `O_NONBLOCK`, opening a named pipe would wait for its reader. */
function openForAppending(path: string): number {
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, fileMode);
}
