/**
 * Shows a command's progress: a bar with rate and remaining time on a terminal, otherwise a line every few seconds. Without
 * a terminal, a short command shows nothing.
 */
import { type Options, type Params, SingleBar } from "cli-progress";
import type { Progress } from "../commands/command.js";
import { visibleLine } from "../lib/control-characters.js";
import { formatBytes, formatSeconds } from "../lib/format.js";
import type { Invocation } from "./invocation.js";
import { colorsFor } from "./output.js";

const framesPerSecond = 10;
const lineMilliseconds = 5_000;
const barWidth = 30;

export class ProgressDisplay {
  /** Start of the command, for the first line without a terminal. */
  readonly #begun = Date.now();
  #bar: SingleBar | undefined;
  #last: Progress | undefined;

  constructor(readonly invocation: Pick<Invocation, "stderr" | "words" | "env">) {}

  show(progress: Progress): void {
    if (this.invocation.stderr.isTTY !== true && Date.now() < this.#begun + lineMilliseconds) return;
    if (this.#bar === undefined || this.#last === undefined || !isSameWork(this.#last, progress))
      this.#bar = this.#begin(progress);
    this.#last = progress;
    this.#bar.setTotal(progress.total ?? 0);
    this.#bar.update(progress.done, { progress });
  }

  /** Removes the bar from the terminal. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #begin(progress: Progress): SingleBar {
    this.end();
    const { stderr } = this.invocation;
    const { cyan } = colorsFor(stderr, this.invocation);
    const bar = new SingleBar({
      stream: stderr,
      fps: framesPerSecond,
      noTTYOutput: true,
      notTTYSchedule: lineMilliseconds,
      linewrap: false,
      clearOnComplete: true,
      // The caller handles interrupts and ends this display.
      gracefulExit: false,
      format: (_: Options, params: Params, payload: { readonly progress: Progress }) =>
        lineOf(payload.progress, params, progress.done, cyan),
    });
    bar.start(progress.total ?? 0, progress.done, { progress });
    return bar;
  }
}

/** Reports whether both belong to the same work; a new kind of work needs a new rate. */
function isSameWork(before: Progress, now: Progress): boolean {
  return (
    before.unit === now.unit &&
    (before.total === undefined) === (now.total === undefined) &&
    before.done <= now.done
  );
}

/** `from` is the amount done before the bar began, which must not count for the rate. */
export function lineOf(
  { what: subject, done, total, unit }: Progress,
  { eta, startTime }: Pick<Params, "eta" | "startTime">,
  from: number,
  paint: (text: string) => string,
): string {
  const amount = (value: number) => (unit === "bytes" ? formatBytes(value) : `${Math.round(value)} ${unit}`);
  const what = visibleLine(subject);
  const seconds = (Date.now() - startTime) / 1000;
  const rate = seconds > 0 ? (done - from) / seconds : 0;
  const speed = rate > 0 ? `, ${amount(rate)}/s` : "";
  if (total === undefined) return `${amount(done)}${speed}  ${what}`;
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const bar = paint("#".repeat(Math.round(share * barWidth)).padEnd(barWidth, "."));
  const left = rate > 0 && Number.isFinite(eta) ? `, ${formatSeconds(eta)} left` : "";
  return `[${bar}] ${Math.floor(share * 100)} %  ${amount(done)} of ${amount(total)}${speed}${left}  ${what}`;
}
