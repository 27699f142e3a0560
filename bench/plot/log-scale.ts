/** A logarithmic axis: maps a range of positive values to a range of pixels, with the usual ticks. */
import { strict as assert } from "node:assert";

export interface LogScale {
  /** Returns a value's position; values outside are put on the edge. */
  at(value: number): number;
  /** At powers of ten, and at 2 and 5 in between if there are few powers. */
  readonly ticks: readonly number[];
}

/** With this many powers of ten, 2 and 5 in between would be too close. */
const finePowersMax = 3;

/** `from` may be right of `to`, as on a vertical axis. */
export function logScale(values: readonly number[], from: number, to: number): LogScale {
  assert(values.length > 0 && values.every((value) => value > 0), "a logarithmic axis needs positive values");
  const least = Math.min(...values);
  const most = Math.max(...values);
  const powers = Math.log10(most / least);
  const steps = powers < finePowersMax ? [1, 2, 5, 10] : [1, 10];
  const low = stepBelow(least, steps);
  const high = Math.max(stepAbove(most, steps), low * (steps[1] ?? 10));
  const position = (value: number) => Math.log10(value / low) / Math.log10(high / low);
  return {
    at: (value) => from + (to - from) * Math.min(1, Math.max(0, position(value))),
    ticks: ticksBetween(low, high, steps),
  };
}

function stepBelow(value: number, steps: readonly number[]): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return Math.max(...steps.map((step) => step * power).filter((tick) => tick <= value * (1 + 1e-9)));
}

function stepAbove(value: number, steps: readonly number[]): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return Math.min(...steps.map((step) => step * power).filter((tick) => tick >= value * (1 - 1e-9)));
}

function ticksBetween(low: number, high: number, steps: readonly number[]): readonly number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * (1 + 1e-9); power++) {
    for (const step of steps.slice(0, -1)) {
      const tick = step * 10 ** power;
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return ticks;
}
