/**
 * Simulated power failures. A server runs under strace while clients work; the trace shows which data was on stable storage
 * at any moment. Every acknowledgement is compared with that, and at some moments the remains are written out and a new
 * server is started on them.
 */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { World } from "./check.js";
import { checkApi } from "./check-api.js";
import { checkStore, type StoredSession } from "./check-store.js";
import { leave, type Remains, remains } from "./leave.js";
import { Ledger } from "./ledger.js";
import { runClient } from "./mix.js";
import { Random } from "./random.js";
import { type Life, Requests } from "./requests.js";
import { ServerProcess } from "./server-process.js";
import { Sessions } from "./sessions.js";
import { SyncedFiles } from "./synced-files.js";
import { SyncedView } from "./synced-view.js";
import { readTrace, tracer } from "./trace.js";
import { makeUniverse } from "./universe.js";
import { Violations } from "./violations.js";

export interface PowerOptions {
  readonly seed: string;
  readonly clients: number;
  /** Moments at which a server is started on the remains. */
  readonly cuts: number;
  /** Working time of the clients. */
  readonly milliseconds: number;
  readonly onProgress: (text: string) => void;
}

export interface PowerReport {
  readonly acknowledged: number;
  /** Moments at which the synced data was compared with the ledger. */
  moments: number;
  cuts: number;
  violations: readonly string[];
  /** Folder of traces and remains after violations. */
  readonly folder: string;
}

export async function cutPower(options: PowerOptions): Promise<PowerReport> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-power-"));
  const { seed } = options;
  const world: World = {
    universe: makeUniverse(seed),
    ledger: new Ledger(),
    sessions: new Sessions(),
    violations: new Violations(),
  };
  await work(options, folder, world);
  const { ledger, violations } = world;
  const report: PowerReport = {
    acknowledged: ledger.acknowledged,
    moments: 0,
    cuts: 0,
    violations: [],
    folder,
  };
  options.onProgress(`${ledger.acknowledged} writes were acknowledged`);
  await replay(options, folder, world, report);
  report.violations = violations.texts;
  if (violations.count === 0) await rm(folder, { recursive: true });
  return report;
}

const traceOf = (folder: string) => join(folder, "trace");
/** The model's initial state, before the server creates its store. */
const groundOf = (folder: string) => join(folder, "traced");

async function work(
  { seed, clients, milliseconds }: PowerOptions,
  folder: string,
  world: World,
): Promise<void> {
  await mkdir(groundOf(folder));
  const server = new ServerProcess(join(groundOf(folder), "store"), tracer(traceOf(folder)));
  try {
    const life: Life = { url: await server.ready, over: false, onEvent: () => {} };
    const requests = new Requests(life, world.universe, world.ledger, world.sessions, world.violations);
    const running = Array.from({ length: clients }, (_, index) => runClient(`${seed}/${index}`, requests));
    await pause(milliseconds);
    life.over = true;
    // Not the tracer, which must write everything that it has seen.
    for (const pid of childrenOf(server.child.pid)) process.kill(pid, "SIGKILL");
    await Promise.all(running);
    await server.ended();
  } finally {
    await server.kill();
  }
}

function childrenOf(pid: number | undefined): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text.split(" ").map(Number);
}

/** Walks the trace, and checks each moment at which a client received an acknowledgement. */
async function replay(
  options: PowerOptions,
  folder: string,
  world: World,
  report: PowerReport,
): Promise<void> {
  const { ledger, universe, violations } = world;
  const random = new Random(`${options.seed}/cuts`);
  const files = new SyncedFiles(groundOf(folder));
  const view = new SyncedView(files, join(groundOf(folder), "store"), universe);
  // The moment is known to a millisecond: a moment later the acknowledgement was certainly received.
  const moments = [...new Set(ledger.acknowledgements.map((moment) => moment + 1))];
  const cuts = drawCuts(moments, options.cuts, random);
  const look = async (moment: number): Promise<void> => {
    report.moments++;
    for (const [key, value] of view.values()) {
      const objection = ledger.objection(key, value, moment);
      if (objection !== undefined) violations.add(`on stable storage at ${moment.toFixed(4)}: ${objection}`);
    }
    if (!cuts.has(moment)) return;
    const what = remains[report.cuts++ % remains.length] ?? "synced";
    await startOnRemains(files, join(folder, `cut-${report.cuts}`), what, moment, world, random);
    options.onProgress(`cut ${report.cuts} of ${options.cuts}, ${what}`);
  };
  let next = 0;
  for await (const event of readTrace(traceOf(folder))) {
    for (; next < moments.length && violations.count === 0; next++) {
      const moment = moments[next];
      if (moment === undefined || event.time <= moment) break;
      await look(moment);
    }
    files.apply(event);
  }
}

function drawCuts(moments: readonly number[], count: number, random: Random): ReadonlySet<number> {
  const cuts = new Set<number>();
  while (cuts.size < Math.min(count, moments.length)) cuts.add(random.pick(moments));
  return cuts;
}

async function startOnRemains(
  files: SyncedFiles,
  folder: string,
  what: Remains,
  moment: number,
  world: World,
  random: Random,
): Promise<void> {
  const found = new Violations();
  leave(files.top, folder, what, random);
  const root = join(folder, "store");
  const server = new ServerProcess(root);
  try {
    const url = await server.ready;
    const seen = { ...world, url, violations: found, until: moment };
    await checkApi(seen);
    const stored = checkStore(root, world.universe, found, false);
    const life: Life = { url, over: false, onEvent: () => {} };
    await disturb(new Requests(life, world.universe, world.ledger, world.sessions, found), stored);
    await checkApi(seen);
  } catch (error) {
    found.add(`${String(error)}\n${server.log}`);
  } finally {
    await server.kill();
  }
  for (const text of found.texts)
    world.violations.add(`${folder}, ${what}, at ${moment.toFixed(4)}: ${text}`);
  if (found.count === 0) await rm(folder, { recursive: true });
}

/** Continues each recovered session with other bytes: no blob may change. */
async function disturb(requests: Requests, stored: readonly StoredSession[]): Promise<void> {
  for (const { id, name } of stored) {
    const path = `/v2/${name}/blobs/uploads/${id}`;
    const wrong = `sha256:${"0".repeat(64)}`;
    const statuses = [
      (await requests.send("GET", path)).status,
      (await requests.send("PATCH", path, { body: Buffer.alloc(1000, 1) })).status,
      (await requests.send("PUT", `${path}?digest=${wrong}`, { body: "" })).status,
    ];
    if (statuses.join() !== "204,202,400")
      requests.violations.add(`continuing with ${path} got ${statuses.join()}`);
  }
}
