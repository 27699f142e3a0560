/** Hostile clients beside a normal one, with every registry limited to 512 MB: how long does the normal one wait? */
import { attacks } from "../attacks/all.js";
import type { Attack } from "../attacks/attack.js";
import { attackFresh } from "../attacks/measure.js";
import type { ContenderName } from "../contenders.js";
import { syncDisks } from "../processes.js";
import { progress } from "../progress.js";
import { type Measured, peersIn, type Scenario, type Series, type Settings } from "../scenario.js";

const attackSeconds = { full: 10, quick: 3 };
const peers: readonly ContenderName[] = ["distribution-3", "zot"];

export const attackScenarios: readonly Scenario[] = attacks.map((attack) => ({
  name: `attack-${attack.name}`,
  what: `${attack.what}, in 512 MB: the longest wait of another client for a response`,
  unit: "ms",
  better: "less",
  peers,
  targets: [{ kind: "ceiling", atMost: attack.waitMillisecondsMax }],
  run: async (settings) => await interleave(attack, settings),
}));

/** A new server for each run, because an attack may end it. A failed peer is left out of later rounds. */
async function interleave(attack: Attack, settings: Settings): Promise<readonly Series[]> {
  const samples = new Map<ContenderName, Measured[]>(
    [settings.subject, ...peersIn(settings, peers)].map((name) => [name, []]),
  );
  for (let round = 0; round < settings.rounds; round++) {
    for (const [name, collected] of samples) {
      await syncDisks();
      const sample = await runOnce(name, attack, settings);
      if (sample === undefined) samples.delete(name);
      else collected.push(sample);
    }
  }
  return [...samples].map(([contender, collected]) => ({ contender, samples: collected }));
}

async function runOnce(
  name: ContenderName,
  attack: Attack,
  { subject, checkoutBefore, quick }: Settings,
): Promise<Measured | undefined> {
  try {
    const seconds = quick ? attackSeconds.quick : attackSeconds.full;
    const attacked = await attackFresh(name, { subject, checkoutBefore }, attack, seconds);
    if (attacked === undefined) {
      progress(`${name} is not installed: continuing without it`);
      return undefined;
    }
    const { timing, peakBytes, longestMilliseconds, p50Milliseconds, longest, longestSyncMilliseconds } =
      attacked;
    progress(
      `  ${name}: ${longestMilliseconds.toFixed(1)} ms for ${longest}, longest sync beside it ${longestSyncMilliseconds.toFixed(1)} ms`,
    );
    return { ...timing, peakBytes, value: longestMilliseconds, details: { p50Milliseconds } };
  } catch (error) {
    progress(`  ${name} did not survive: ${error instanceof Error ? error.message : error}`);
    if (name === subject) throw error;
    return undefined;
  }
}
