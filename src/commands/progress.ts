/** Shows how far a command is: one line that is written over on a terminal, else a line every few seconds. */
import type { Progress } from "./command.js";
import { formatBytes } from "./format.js";

/** What is needed of a stream such as `process.stderr`. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMilliseconds = 100;
const lineMilliseconds = 5_000;
const barWidth = 30;
const columnsDefault = 80;

/** Clears what is left of the line behind the cursor. */
const clearToEnd = "\u001b[K";

export class ProgressDisplay {
  #next = Date.now();
  #drawn = false;

  constructor(readonly output: Output) {
    // A command that is over at once need not say how far it was.
    if (output.isTTY !== true) this.#next += lineMilliseconds;
  }

  show(progress: Progress): void {
    const now = Date.now();
    if (now < this.#next) return;
    const { isTTY, columns = columnsDefault } = this.output;
    const line = lineOf(progress);
    if (isTTY === true) {
      this.#next = now + redrawMilliseconds;
      this.#drawn = true;
      this.output.write(`\r${line.slice(0, columns - 1)}${clearToEnd}`);
    } else {
      this.#next = now + lineMilliseconds;
      this.output.write(`${line}\n`);
    }
  }

  /** Leaves the terminal as if nothing had been shown. */
  end(): void {
    if (this.#drawn) this.output.write(`\r${clearToEnd}`);
    this.#drawn = false;
  }
}

function lineOf({ what, done, total, unit }: Progress): string {
  const amount = (value: number) => (unit === "bytes" ? formatBytes(value) : `${value} ${unit}`);
  if (total === undefined) return `${amount(done)}  ${what}`;
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const bar = "#".repeat(Math.round(share * barWidth)).padEnd(barWidth, ".");
  return `[${bar}] ${Math.floor(share * 100)} %  ${amount(done)} of ${amount(total)}  ${what}`;
}
