/**
 * A pipe or a socket that lines are written to, as Node has it for standard output and standard error: what it does
 * not take at once waits in libuv's queue, and no thread waits for it.
 */
import type { Writable } from "node:stream";
import type { LineTarget } from "../lib/line-writer.js";

export class StreamTarget implements LineTarget {
  constructor(readonly stream: Writable) {
    // Each write reports its own error. Without a listener a reader that has gone would end the process.
    stream.on("error", () => {});
  }

  write(bytes: Uint8Array, done: (error: unknown, written: number) => void): void {
    this.stream.write(bytes, (error) => done(error ?? undefined, error ? 0 : bytes.length));
  }

  /** What the pipe takes at once is written before the call returns. */
  writeAtExit(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }
}
