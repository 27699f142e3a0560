/**
 * Runs the contenders of one scenario in the order A B C A B C, each run after the disks have written back. Owns the started
 * contenders; dispose the arena to stop them.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Contender, type ContenderName, type StartOptions, startContender } from "./contenders.js";
import { cpuSeconds, forgetPeak, peakResidentBytes, syncDisks } from "./processes.js";
import { progress } from "./progress.js";
import {
  type Measured,
  type Plan,
  peersIn,
  type Sample,
  type Series,
  type Settings,
  type Timing,
} from "./scenario.js";
import { mebibyte, spell } from "./units.js";

export interface ArenaSettings extends Pick<Settings, "profileFolder" | "checkoutBefore"> {
  readonly subject: ContenderName;
}

export class Arena implements AsyncDisposable {
  readonly contenders: readonly Contender[];

  private constructor(contenders: readonly Contender[]) {
    this.contenders = contenders;
  }

  /** New servers with empty folders. A contender that is not installed is left out. */
  static async open(
    { subject, profileFolder, checkoutBefore }: ArenaSettings,
    peers: readonly ContenderName[],
    options: StartOptions = {},
  ): Promise<Arena> {
    const contenders: Contender[] = [];
    const arena = new Arena(contenders);
    try {
      // Nothing is compared while a profiler uses CPU time.
      const others = profileFolder === undefined ? peersIn({ checkoutBefore }, peers) : [];
      for (const name of [subject, ...others]) {
        const contender = await startContender(
          name,
          { subject, checkoutBefore },
          { ...options, profileFolder },
        );
        if (contender === undefined) {
          progress(`${name} is not installed: continuing without it`);
        } else {
          contenders.push(contender);
        }
      }
      return arena;
    } catch (error) {
      await arena[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.contenders.map((contender) => contender[Symbol.asyncDispose]()));
  }

  /** Runs every contender once unmeasured, then all in turn for as many rounds as there is time. */
  async interleave(
    { rounds, deadline }: Plan,
    warmUp: (contender: Contender) => Promise<void>,
    run: (contender: Contender, round: number) => Promise<Sample>,
  ): Promise<readonly Series[]> {
    for (const contender of this.contenders) {
      await blaming(contender, () => warmUp(contender));
    }
    const samples = new Map<Contender, Measured[]>(this.contenders.map((contender) => [contender, []]));
    for (let round = 0, begin = performance.now(); round < rounds; round++) {
      const roundMilliseconds = round === 0 ? 0 : (performance.now() - begin) / round;
      if (round > 0 && performance.now() + roundMilliseconds > deadline) {
        progress(`  no time for more than ${round} of ${rounds} rounds`);
        break;
      }
      for (const [contender, collected] of samples) {
        await syncDisks();
        const sample = await blaming(contender, () => measured(contender, round, run));
        collected.push(sample);
        progress(`  round ${round + 1} ${contender.name}: ${spellSample(sample)}`);
      }
    }
    return [...samples].map(([contender, collected]) => ({ contender: contender.name, samples: collected }));
  }
}

async function measured(
  contender: Contender,
  round: number,
  run: (contender: Contender, round: number) => Promise<Sample>,
): Promise<Measured> {
  for (const { pid } of contender.nodes) forgetPeak(pid);
  const sample = await run(contender, round);
  // A run may have restarted the contender.
  return { ...sample, peakBytes: Math.max(...contender.nodes.map(({ pid }) => peakResidentBytes(pid))) };
}

/** Measures the wall time of `work`, and its CPU time on both sides. */
export async function timed(contender: Contender, work: () => Promise<unknown>): Promise<Timing> {
  const cpuOfAll = () => contender.nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  const cpuBefore = cpuOfAll();
  const driverBefore = process.cpuUsage();
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(driverBefore);
  return {
    seconds,
    cpuSeconds: cpuOfAll() - cpuBefore,
    driverCpuSeconds: (user + system) / 1_000_000,
  };
}

/**
 * Removes the large blobs of a run behind the server's back, because they are never requested again: what remains in the
 * page cache or on the disk slows the next run. Removes every link of a blob.
 */
export async function discardLargeFiles(folder: string): Promise<void> {
  for (const entry of await unlessGone(readdir(folder, { withFileTypes: true }), [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await discardLargeFiles(path);
    } else {
      const status = await unlessGone(stat(path), undefined);
      if (status !== undefined && status.size >= mebibyte) {
        await rm(path, { force: true });
      }
    }
  }
}

/** The server may still be cleaning up after the run. */
async function unlessGone<T, U>(found: Promise<T>, otherwise: U): Promise<T | U> {
  return await found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return otherwise;
    }
    throw error;
  });
}

/** Names the contender in a failure, and says if it has ended: then the broken connection is not the cause. */
async function blaming<T>(contender: Contender, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    contender.assertAlive();
    return result;
  } catch (error) {
    contender.assertAlive();
    const message = error instanceof Error ? error.message : String(error);
    progress(`  ${contender.name} says: ${contender.complaints().slice(-2000)}`);
    throw new Error(`${contender.name}: ${message}`, { cause: error });
  }
}

function spellSample({ value, details = {}, ...times }: Measured): string {
  const figures = Object.entries({ ...times, ...details });
  return [spell(value), ...figures.map(([name, figure]) => `${name} ${spell(figure)}`)].join(", ");
}
