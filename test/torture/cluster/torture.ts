/**
 * Rounds in which clients use a cluster through its balancer while its parts fail. After each round everything works again,
 * and the judges compare what each node shows with what clients were told, before and after the nodes start anew.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, Client, type RequestOptions } from "../../support/client.js";
import { gantryProcess } from "../../support/command.js";
import type { S3Node } from "../../support/s3-node.js";
import type { S3Engine } from "../../support/s3-server.js";
import type { World } from "../check.js";
import { checkApi } from "../check-api.js";
import { checkSessions, isUnknown } from "../check-sessions.js";
import { Ledger } from "../ledger.js";
import { runClient } from "../mix.js";
import { Random } from "../random.js";
import { Gone, Requests } from "../requests.js";
import { Sessions } from "../sessions.js";
import { makeUniverse } from "../universe.js";
import { Violations } from "../violations.js";
import { drawIncidents, type Incident } from "./incidents.js";
import { type Parts, startParts } from "./parts.js";

export interface ClusterTortureOptions {
  readonly seed: string;
  readonly rounds: number;
  readonly clients: number;
  readonly nodes: number;
  readonly engine: S3Engine;
  readonly onProgress: (report: ClusterTortureReport) => void;
}

export interface ClusterTortureReport {
  rounds: number;
  incidents: number;
  /** Write operations, and how many were acknowledged. */
  sent: number;
  acknowledged: number;
  violations: readonly string[];
  /** What happened in the last round, and the last words of each node. */
  story: string;
}

const roundMilliseconds = 5_000;
const incidentsPerRound = 5;
/** After this time without faults, a cluster that does not serve has not recovered by itself. */
const recoveryMillisecondsMax = 20_000;
/** Some blobs have several parts of 5 MiB. */
const largeBytes = [5_300_000, 7_000_000] as const;

export async function tortureCluster(options: ClusterTortureOptions): Promise<ClusterTortureReport> {
  const { seed } = options;
  const report: ClusterTortureReport = {
    rounds: 0,
    incidents: 0,
    sent: 0,
    acknowledged: 0,
    violations: [],
    story: "",
  };
  const world: World = {
    universe: makeUniverse(seed, largeBytes),
    ledger: new Ledger(),
    sessions: new Sessions(),
    violations: new Violations(),
  };
  await using parts = await startParts(options);
  for (let round = 1; round <= options.rounds && world.violations.count === 0; round++) {
    const label = `${seed}/${round}`;
    const random = new Random(label);
    const incidents = drawIncidents(random, parts, incidentsPerRound, roundMilliseconds);
    try {
      report.incidents += await work(world, parts, label, options.clients, incidents);
      await recovered(parts);
      await checkNodes(world, parts);
      await startAnew(world, parts, random);
      await checkAfterStart(world, parts, random);
    } catch (error) {
      world.violations.add(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    report.rounds = round;
    report.sent = world.ledger.sent;
    report.acknowledged = world.ledger.acknowledged;
    report.violations = world.violations.texts.map((text) => `round ${round}: ${text}`);
    report.story = storyOf(incidents, parts);
    options.onProgress(report);
  }
  return report;
}

/** Lets the clients work while the incidents happen. Returns the number of incidents. */
async function work(
  world: World,
  { balancer }: Parts,
  label: string,
  clients: number,
  incidents: readonly Incident[],
): Promise<number> {
  const life = { url: balancer.url, over: false, mayFail: true, onEvent: () => {} };
  const requests = new Requests(life, world.universe, world.ledger, world.sessions, world.violations);
  const running = Array.from({ length: clients }, (_, index) => runClient(`${label}/${index}`, requests));
  const [happened] = await Promise.all([happen(incidents), pause(roundMilliseconds)]);
  life.over = true;
  await Promise.all(running);
  return happened;
}

/** Runs each incident at its time, unless its part is broken already. */
async function happen(incidents: readonly Incident[]): Promise<number> {
  const start = performance.now();
  const broken = new Set<string>();
  const running: Promise<void>[] = [];
  for (const incident of incidents) {
    await pause(Math.max(0, incident.at - (performance.now() - start)));
    if (broken.has(incident.part)) continue;
    broken.add(incident.part);
    running.push(incident.run().finally(() => broken.delete(incident.part)));
  }
  await Promise.all(running);
  return running.length;
}

const startsMax = 5;

/** A node ends if the engine does not answer at its start, and whoever supervises it starts it again. */
async function startSupervised(node: S3Node): Promise<void> {
  for (let starts = 1; ; starts++) {
    try {
      return await node.start();
    } catch (error) {
      if (starts === startsMax) throw error;
    }
  }
}

/** Resolves when every node, and the cluster through its balancer, serves reads and writes. Starts nodes that gave up. */
async function recovered({ members, balancer }: Parts): Promise<void> {
  for (const { node } of members) if (node.pid === undefined) await startSupervised(node);
  const deadline = performance.now() + recoveryMillisecondsMax;
  for (const url of [...members.map(({ node }) => node.url), balancer.url]) {
    const client = new Client(url);
    for (;;) {
      const ready = await client.get("/readyz").catch(() => undefined);
      const opened =
        ready?.status === 200
          ? await client.request("POST", "/v2/probe/blobs/uploads/", { body: "" }).catch(() => undefined)
          : undefined;
      if (opened?.status === 202) {
        await client.delete(opened.headers.location ?? "");
        break;
      }
      if (performance.now() > deadline) {
        const said = opened ?? ready;
        throw new Error(`${url} has not recovered: ${said?.status} ${said?.body.toString().slice(0, 300)}`);
      }
      await pause(50);
    }
  }
}

/**
 * A node that was killed while it locked a repository or removed an object leaves the others in doubt about that for up to a
 * minute: requests about it wait, or get a 503.
 */
const doubtMillisecondsMax = 90_000;

class PatientClient extends Client {
  override async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const deadline = performance.now() + doubtMillisecondsMax;
    for (;;) {
      const answer = await super.request(method, path, options).catch((error: unknown) => {
        if (performance.now() > deadline) throw error;
        return undefined;
      });
      const isFinal = answer !== undefined && (answer.status !== 503 || isUnknown(answer));
      if (answer !== undefined && (isFinal || performance.now() > deadline)) return answer;
      await pause(1_000);
    }
  }
}

/** What a node shows may not be older than the last acknowledgement, whichever node gave it. */
async function checkNodes({ universe, ledger, violations }: World, { members }: Parts): Promise<void> {
  for (const [index, { node }] of members.entries()) {
    // Writes that failed may still be carried out, so only the ledger judges here, not the consistency of answers.
    const seen = new Violations();
    await checkApi({
      url: node.url,
      universe,
      ledger,
      violations: seen,
      collects: true,
      client: new PatientClient(node.url),
    });
    const stale = seen.texts.filter((text) => text.includes("; written were "));
    for (const text of stale) violations.add(`on node ${index + 1}: ${text}`);
  }
}

/**
 * What may be in the store after these rounds. Clients delete blobs that manifests name; the ledger judges whether one may be
 * missing. A push adds its entry as a referrer before its manifest, and a deletion removes it afterwards: if the node or the
 * store fails in between, an entry remains that no node lists (src/registry/push-manifest.ts).
 */
const mayRemain = /names a missing|there is an entry as a referrer of \S+, but no such manifest/;

/** Ends all nodes, so that nothing is carried out any more, verifies the bucket, and starts the nodes. */
async function startAnew(world: World, { members, commandSettings }: Parts, random: Random): Promise<void> {
  for (const { node } of members) await (random.chance(0.5) ? node.kill() : node.end());
  const { stdout, stderr, json } = await gantryProcess(
    ".",
    ["verify", "--dry-run", "--json"],
    commandSettings,
  );
  if (stdout === "") throw new Error(`gantry verify failed: ${stderr}`);
  const { complete, problems } = json<VerifyReport>();
  if (!complete) throw new Error("gantry verify did not come to its end");
  for (const { what, repository = "", digest = "" } of problems)
    if (!mayRemain.test(what)) world.violations.add(`verify: ${repository}@${digest}: ${what}`);
  await Promise.all(members.map(({ node }) => startSupervised(node)));
}

interface VerifyReport {
  readonly complete: boolean;
  readonly problems: readonly {
    readonly what: string;
    readonly repository?: string;
    readonly digest?: string;
  }[];
}

/** Nothing fails now. What the cluster shows is settled, and clients continue some of their uploads. */
async function checkAfterStart(world: World, parts: Parts, random: Random): Promise<void> {
  const { universe, ledger, sessions, violations } = world;
  const { url } = parts.balancer;
  await recovered(parts);
  const found = await checkApi({
    url,
    universe,
    ledger,
    violations,
    collects: true,
    client: new PatientClient(url),
  });
  for (const [key, value] of found) ledger.settle(key, value);
  const life = { url, over: false, onEvent: () => {} };
  const requests = new Requests(life, universe, ledger, sessions, violations, new PatientClient(url));
  await checkSessions(requests, [], random, false, { leavesClosed: true }).catch((error: unknown) => {
    // The violations already contain the error.
    if (!(error instanceof Gone)) throw error;
  });
}

function storyOf(incidents: readonly Incident[], { members }: Parts): string {
  const happened = incidents.map(({ at, kind, part }) => `${at} ms: ${kind} (${part})`);
  const logs = members.map(({ node }, index) => `node ${index + 1} said:\n${node.log()}`);
  return [...happened, ...logs].join("\n");
}
