/** Kills a server repeatedly while many clients use it, and checks each time what the next server finds in the store. */
import { setTimeout as pause } from "node:timers/promises";
import { checkRestarted, type World } from "./check.js";
import type { Disk } from "./disk.js";
import { Ledger } from "./ledger.js";
import { runClient } from "./mix.js";
import { Random } from "./random.js";
import { type Life, Requests } from "./requests.js";
import { ServerProcess } from "./server-process.js";
import { Sessions } from "./sessions.js";
import { makeUniverse } from "./universe.js";
import { Violations } from "./violations.js";

export interface TortureOptions {
  readonly kills: number;
  readonly seed: string;
  readonly clients: number;
  /** Processes of the server (1). Of several, some are killed while the others go on. */
  readonly processes?: number;
  readonly makeDisk: () => Promise<Disk>;
  /** Called after each kill. */
  readonly onProgress: (kill: number, report: TortureReport) => void;
}

export interface TortureReport {
  kills: number;
  /** Write operations, and how many were acknowledged. */
  sent: number;
  acknowledged: number;
  /** Operations whose process was killed while the server went on. */
  lost: number;
  violations: readonly string[];
  /** Folder of the store after violations. */
  store?: string;
}

/** A store grows, so a new one starts after a while, and its first start is tortured, too. */
const killsPerStore = 20;

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const report: TortureReport = { kills: 0, sent: 0, acknowledged: 0, lost: 0, violations: [] };
  for (let first = 1; first <= options.kills && report.violations.length === 0; first += killsPerStore) {
    const disk = await options.makeDisk();
    try {
      await tortureStore(options, disk, first, report);
    } catch (error) {
      report.violations = [...report.violations, `after kill ${report.kills}: ${String(error)}`];
    }
    const left = await disk.release(report.violations.length > 0);
    if (report.violations.length > 0) report.store = left;
  }
  return report;
}

async function tortureStore(
  { seed, clients, kills, processes = 1, onProgress }: TortureOptions,
  disk: Disk,
  first: number,
  report: TortureReport,
): Promise<void> {
  const world: World = {
    universe: makeUniverse(`${seed}/${first}`),
    ledger: new Ledger(),
    sessions: new Sessions(),
    violations: new Violations(),
  };
  const before = { ...report };
  let server = new ServerProcess(disk.root, [], processes);
  try {
    const last = Math.min(kills, first + killsPerStore - 1);
    for (let kill = first; kill <= last && world.violations.count === 0; kill++) {
      const label = `${seed}/${kill}`;
      const random = new Random(label);
      const url = await server.ready;
      const several = processes > 1;
      const stopKilling = several ? killMembers(server, random) : undefined;
      const life = { url, mayFail: several, endsWithConnection: several };
      await untilKilled(world, life, label, random, clients, () => {
        stopKilling?.();
        return disk.crash(server);
      });
      report.kills = kill;
      server = await startAgain(disk, random, processes);
      await checkRestarted(world, await server.ready, disk.root, random, disk.losesUnsynced);
      report.sent = before.sent + world.ledger.sent;
      report.acknowledged = before.acknowledged + world.ledger.acknowledged;
      report.lost = before.lost + world.ledger.lost;
      report.violations = world.violations.texts.map((text) => `kill ${kill}: ${text}`);
      onProgress(kill, report);
    }
  } finally {
    await server.kill();
  }
}

/** Lets the clients work until a moment drawn from `random`, then crashes the server. */
async function untilKilled(
  world: World,
  server: Omit<Life, "over" | "onEvent">,
  label: string,
  random: Random,
  clients: number,
  crash: () => Promise<void>,
): Promise<void> {
  let event: () => void = () => {};
  const life: Life = { ...server, over: false, onEvent: () => event() };
  const moment = momentOfKill(random);
  const struck = new Promise<void>((resolve) => {
    let events = 0;
    event = () => {
      if (++events === moment.events) resolve();
    };
  });
  const requests = new Requests(life, world.universe, world.ledger, world.sessions, world.violations);
  const running = Array.from({ length: clients }, (_, index) => runClient(`${label}/${index}`, requests));
  await Promise.race([struck, pause(moment.milliseconds)]);
  life.over = true;
  await crash();
  await Promise.all(running);
}

interface Moment {
  readonly milliseconds: number;
  /** The request or response right after which the kill happens, unless the time is over before. */
  readonly events: number;
}

function momentOfKill(random: Random): Moment {
  const never = Number.POSITIVE_INFINITY;
  switch (random.pickWeighted({ early: 3, middle: 3, late: 2, event: 4 })) {
    case "early":
      return { milliseconds: random.between(2, 100), events: never };
    case "middle":
      return { milliseconds: random.between(100, 500), events: never };
    case "late":
      return { milliseconds: random.between(500, 1000), events: never };
    case "event":
      return { milliseconds: 1000, events: random.between(1, 800) };
  }
}

/** Some servers are killed before they are ready. */
async function startAgain(disk: Disk, random: Random, processes: number): Promise<ServerProcess> {
  if (random.chance(0.15)) {
    const server = new ServerProcess(disk.root, [], processes);
    await pause(random.between(20, 500));
    await disk.crash(server);
  }
  return new ServerProcess(disk.root, [], processes);
}

/** Kills processes other than the first one, now and then. Returns a function that ends that. */
function killMembers(server: ServerProcess, random: Random): () => void {
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(
      () => {
        void server.killMember((pids) => pids[random.between(0, pids.length)]).catch(() => {});
        next();
      },
      random.between(20, 400),
    );
  };
  next();
  return () => clearTimeout(timer);
}
