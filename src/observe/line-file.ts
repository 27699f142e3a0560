/**
 * A file that lines are appended to, each at once, so that none is lost with the process. Where one cannot be
 * written, as on a full disk, it is lost and said to be; the next is tried again, and nobody waits.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface LineFileOptions {
  /** Told of the first of the lines that are lost one after the other. */
  readonly onBroken: (error: unknown) => void;
  /** Told when a line is written again, and how many were lost before it. */
  readonly onMended: (lost: number) => void;
}

/** Who did what is for the operator to read. */
const fileMode = 0o640;

export class LineFile {
  #descriptor: number;
  /** Whether the last line was written in part. */
  #torn = false;
  #lost = 0;

  /** Throws where the file cannot be opened. Its folder is made. */
  constructor(
    readonly path: string,
    readonly options: LineFileOptions,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    this.#descriptor = openSync(path, "a", fileMode);
  }

  /** `line` ends with a line feed. Never throws. */
  write(line: string): void {
    try {
      this.#append(Buffer.from(this.#torn ? `\n${line}` : line));
    } catch (error) {
      if (this.#lost === 0) this.options.onBroken(error);
      this.#lost++;
      return;
    }
    if (this.#lost > 0) this.options.onMended(this.#lost);
    this.#lost = 0;
  }

  #append(bytes: Buffer): void {
    for (let written = 0; written < bytes.length; this.#torn = written < bytes.length)
      written += writeSync(this.#descriptor, bytes, written);
  }

  /** Goes on in what is at the path now, after that was moved away. Where that cannot be opened, in the file before. */
  reopen(): void {
    try {
      const descriptor = openSync(this.path, "a", fileMode);
      closeSync(this.#descriptor);
      this.#descriptor = descriptor;
      this.#torn = false;
    } catch (error) {
      this.options.onBroken(error);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
