/** What happens to the parts of a cluster while clients use it. Each incident ends by itself, and repairs what it broke. */
import { setTimeout as pause } from "node:timers/promises";
import type { Fault } from "../../support/fault-relay.js";
import type { Relay, RelayMode } from "../../support/relay.js";
import type { Random } from "../random.js";
import type { Parts } from "./parts.js";

/** How often each kind is drawn. */
const kinds = {
  killNode: 6,
  stopNode: 2,
  freezeNode: 2,
  cutNodeFromStore: 3,
  cutNodeFromEngine: 4,
  storeFaults: 5,
  killStore: 2,
  freezeStore: 1,
  killEngine: 3,
  emptyEngine: 2,
  freezeEngine: 2,
  killBalancer: 1,
} as const;

export type Kind = keyof typeof kinds;

export interface Incident {
  readonly kind: Kind;
  /** What it happens to: no two incidents break one part at a time. */
  readonly part: string;
  /** Milliseconds after the begin of the round. */
  readonly at: number;
  run(): Promise<void>;
}

const faultRates: readonly Readonly<Partial<Record<Fault, number>>>[] = [
  { errorBefore: 0.2 },
  { errorAfter: 0.1, resetAfter: 0.1 },
  { resetBefore: 0.1, halfBody: 0.1 },
  { errorBefore: 0.1, errorAfter: 0.1, resetBefore: 0.05, resetAfter: 0.05, halfBody: 0.05, hang: 0.01 },
  { errorBefore: 1 },
];

const engineKinds: readonly Kind[] = ["cutNodeFromEngine", "killEngine", "emptyEngine", "freezeEngine"];

/** Draws the incidents of a round, in the order of their times. */
export function drawIncidents(random: Random, parts: Parts, count: number, milliseconds: number): Incident[] {
  const incidents: Incident[] = [];
  while (incidents.length < count) {
    const kind = random.pickWeighted(kinds);
    const member = random.between(0, parts.members.length);
    const at = random.between(0, milliseconds);
    const lasts = random.between(100, 2_500);
    const rates = random.pick(faultRates);
    const mode = random.pick(["refuse", "hang"] as const);
    const seed = String(random.next());
    if (parts.engine === undefined && engineKinds.includes(kind)) continue;
    const [part, run] = actionOf(kind, parts, member, { lasts, rates, mode, seed });
    incidents.push({ kind, part, at, run });
  }
  return incidents.sort((one, other) => one.at - other.at);
}

interface Details {
  readonly lasts: number;
  readonly rates: (typeof faultRates)[number];
  readonly mode: Exclude<RelayMode, "pass">;
  readonly seed: string;
}

function actionOf(
  kind: Kind,
  { store, faults, engine, members, balancer }: Parts,
  place: number,
  { lasts, rates, mode, seed }: Details,
): [part: string, run: () => Promise<void>] {
  const member = members[place];
  if (member === undefined) throw new Error(`there is no node ${place}`);
  const { node, toStore, toEngine } = member;
  const part = `node ${place + 1}`;
  // Broken as long as the store or the engine is: the end of the round starts it again.
  const startAgain = () => node.start().catch(() => {});
  switch (kind) {
    case "killNode":
      return [part, () => during(lasts, () => node.kill(), startAgain)];
    case "stopNode":
      return [part, () => during(lasts, () => node.end(), startAgain)];
    case "freezeNode":
      return [
        part,
        () =>
          during(
            lasts,
            () => node.pause(),
            () => node.resume(),
          ),
      ];
    case "cutNodeFromStore":
      return [`${part} to store`, () => cutOff(toStore, mode, lasts)];
    case "cutNodeFromEngine":
      return [`${part} to engine`, () => cutOff(toEngine, mode, lasts)];
    case "storeFaults":
      return [
        "faults",
        () =>
          during(
            lasts,
            () => faults.inject({ seed, rates }),
            () => faults.inject(undefined),
          ),
      ];
    case "killStore":
      return [
        "store",
        () =>
          during(
            lasts,
            () => store.kill(),
            () => store.start(),
          ),
      ];
    case "freezeStore":
      return [
        "store",
        () =>
          during(
            lasts,
            () => store.pause(),
            () => store.resume(),
          ),
      ];
    case "killEngine":
      return [
        "engine",
        () =>
          during(
            lasts,
            () => engine?.kill(),
            () => engine?.restart(),
          ),
      ];
    case "emptyEngine":
      return ["engine", async () => void (await engine?.command("FLUSHALL"))];
    case "freezeEngine":
      return [
        "engine",
        () =>
          during(
            lasts,
            () => engine?.pause(),
            () => engine?.resume(),
          ),
      ];
    case "killBalancer":
      return [
        "balancer",
        () =>
          during(
            lasts,
            () => balancer.kill(),
            () => balancer.start(),
          ),
      ];
  }
}

async function during(
  milliseconds: number,
  begin: () => Promise<void> | void,
  end: () => Promise<void> | void,
): Promise<void> {
  await begin();
  await pause(milliseconds);
  await end();
}

function cutOff(relay: Relay | undefined, mode: RelayMode, milliseconds: number): Promise<void> {
  return during(
    milliseconds,
    () => relay?.set(mode),
    () => relay?.set("pass"),
  );
}
