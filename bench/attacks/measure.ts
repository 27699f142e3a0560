/** Attacks a started server while another client works, and measures both. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { timed } from "../arena.js";
import { Confinement } from "../confinement.js";
import { type Before, type Contender, type ContenderName, startContender } from "../contenders.js";
import { forgetPeak, peakResidentBytes } from "../processes.js";
import type { Timing } from "../scenario.js";
import { mebibyte } from "../units.js";
import type { Attack } from "./attack.js";
import { Bystander, type Waits } from "./bystander.js";
import { DiskProbe } from "./disk-probe.js";

const attacker = fileURLToPath(new URL("./attacker.js", import.meta.url));

/** The bystander works alone for this time before and after the attack. */
const marginMilliseconds = 500;
/** Maximum time of the last request after the attack. */
const lastAnswerSecondsMax = 10;
const endSecondsMax = 90;

const memoryBytes = 512 * mebibyte;

export interface Attacked extends Waits {
  readonly timing: Timing;
  /** The largest resident set of the server. */
  readonly peakBytes: number;
  /** The longest sync of the bench's own file meanwhile. */
  readonly longestSyncMilliseconds: number;
}

/** Starts a new server within 512 MB and attacks it. `undefined` if it is not installed. */
export async function attackFresh(
  name: ContenderName,
  before: Before,
  attack: Attack,
  seconds: number,
): Promise<Attacked | undefined> {
  const { secure, settings, descriptorsMax, unreadErrors } = attack;
  await using confinement = Confinement.create({ memoryBytes, descriptorsMax, unreadErrors });
  await using contender = await startContender(name, before, { secure, settings, wrapper: confinement });
  return contender && (await measureAttack(contender, attack, seconds));
}

/** Throws if the server died, did not respond to the other client, or lost or granted something. */
async function measureAttack(contender: Contender, attack: Attack, seconds: number): Promise<Attacked> {
  const { port, ca } = contender;
  const child = fork(attacker, [
    attack.name,
    String(port),
    String(seconds),
    ...(ca === undefined ? [] : [ca]),
  ]);
  const guard = setTimeout(() => child.kill("SIGKILL"), (seconds + endSecondsMax) * 1000);
  try {
    const bystander = new Bystander(contender);
    await bystander.prepare();
    await said(child, "prepared");
    forgetPeak(contender.pid);
    bystander.start();
    await using probe = new DiskProbe();
    await sleep(marginMilliseconds);
    const timing = await timed(contender, async () => {
      child.send("go");
      await said(child, "done");
    });
    await sleep(marginMilliseconds);
    contender.assertAlive();
    const longestSyncMilliseconds = await probe.stop();
    const waits = await bystander.stop(lastAnswerSecondsMax);
    const peakBytes = peakResidentBytes(contender.pid);
    await ended(child);
    await bystander.check();
    contender.assertAlive();
    return { ...waits, timing, peakBytes, longestSyncMilliseconds };
  } catch (error) {
    contender.assertAlive();
    throw error;
  } finally {
    clearTimeout(guard);
    child.kill("SIGKILL");
  }
}

async function said(child: ChildProcess, word: string): Promise<void> {
  const [heard] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => {
      throw new Error(`the attacker ended before it was ${word}`);
    }),
  ]);
  if (heard !== word) throw new Error(`the attacker said ${heard} instead of ${word}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null) await once(child, "exit");
  if (child.exitCode !== 0) throw new Error(`the attacker's check failed with status ${child.exitCode}`);
}
