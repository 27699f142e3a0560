/**
 * Writes lines to a pipe or socket through Node's stream for standard output or error. Bytes that it does not accept at once
 * wait in libuv's queue, without blocking a thread.
 */
import type { Writable } from "node:stream";
import type { LineTarget } from "../lib/line-writer.js";

export class StreamTarget implements LineTarget {
  constructor(readonly stream: Writable) {
    // Each write reports its own error. Without a listener, a closed reader would end the process.
    stream.on("error", () => {});
  }

  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void {
    this.stream.write(bytes, (error) => done(error ?? undefined, error ? 0 : bytes.length));
  }

  /** Writes as much as the pipe accepts at once before it returns. */
  writeAtExit(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }
}
