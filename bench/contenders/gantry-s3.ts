/** Gantry on an S3 server: one node, near or far, and one or two nodes over servers that count what the nodes ask of them. */
import { join } from "node:path";
import { outputOf } from "../processes.js";
import { type Engine, engineProgram, startEngine } from "./engine.js";
import { type Own, silent, startGantry } from "./gantry-process.js";
import type { Place, Profile, Started, StartedNode } from "./profile.js";
import {
  accessKey,
  bucket,
  farMilliseconds,
  onS3Store,
  type S3Store,
  secretKey,
  storeProgram,
} from "./s3-store.js";

export type GantryOnS3Name = "gantry-s3" | "gantry-s3-far" | "gantry-s3-one-node" | "gantry-s3-two-nodes";

/** For the Gantry with the compiled entry `command`. */
export function gantryOnS3Profiles(command: string): Readonly<Record<GantryOnS3Name, Profile>> {
  return {
    "gantry-s3": onS3(command, false),
    "gantry-s3-far": onS3(command, true),
    "gantry-s3-one-node": nodesOnS3(command, 1),
    "gantry-s3-two-nodes": nodesOnS3(command, 2),
  };
}

/** Pulls are not redirected: the bench measures the registry. */
function settingsFor({ endpoint }: S3Store): Own {
  return {
    ...silent,
    REGISTRY_STORAGE_S3_BUCKET: bucket,
    REGISTRY_STORAGE_S3_REGIONENDPOINT: endpoint,
    REGISTRY_STORAGE_S3_ACCESSKEY: accessKey,
    REGISTRY_STORAGE_S3_SECRETKEY: secretKey,
    REGISTRY_STORAGE_REDIRECT_DISABLE: "true",
  };
}

function onS3(command: string, isFar: boolean): Profile {
  return {
    program: undefined,
    needs: [storeProgram],
    durability: "what versitygw promises",
    configuration: `storage.s3 over versitygw${isFar ? `, ${farMilliseconds} ms away` : ""}, no redirects, no access log`,
    version: async (program) => await outputOf(program, [command, "version"]),
    start: (place) =>
      onS3Store(place.dataFolder, { isFar }, (store) => startGantry(command, place, settingsFor(store))),
  };
}

/** One node has no engine. */
function nodesOnS3(command: string, count: 1 | 2): Profile {
  return {
    program: undefined,
    needs: count === 1 ? [storeProgram] : [storeProgram, engineProgram],
    durability: "what versitygw promises",
    configuration: `${count === 1 ? "one node" : "two nodes and redis-server"}, storage.s3 over versitygw with an access log, no redirects, metrics`,
    version: async (program) => await outputOf(program, [command, "version"]),
    start: (place) =>
      onS3Store(place.dataFolder, { accessLog: join(place.folder, "s3-access.log") }, async (store) => {
        const engine = count === 1 ? undefined : await startEngine();
        try {
          return await startNodes(command, place, store, engine);
        } catch (error) {
          await engine?.[Symbol.asyncDispose]();
          throw error;
        }
      }),
  };
}

async function startNodes(
  command: string,
  place: Place,
  store: S3Store,
  engine: Engine | undefined,
): Promise<Started> {
  const settings = {
    ...settingsFor(store),
    REGISTRY_HTTP_METRICS_ENABLED: "true",
    ...(engine !== undefined && { REGISTRY_REDIS_ADDRS: JSON.stringify([engine.address]) }),
  };
  const first = await startGantry(command, place, settings);
  const others: StartedNode[] = [];
  const end = async () => {
    for (const { running } of [first, ...others]) await running[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  };
  try {
    if (engine !== undefined) others.push(await startGantry(command, place, settings));
  } catch (error) {
    await end();
    throw error;
  }
  return {
    running: { ...first.running, [Symbol.asyncDispose]: end },
    port: first.port,
    others,
    counts: async () => ({
      storeRequests: await store.requests(),
      engineMessages: sum(await Promise.all([first, ...others].map(({ port }) => messagesOf(port)))),
      engineCpuSeconds: engine?.cpuSeconds() ?? 0,
    }),
  };
}

/** Returns the commands that a node has sent to the engine, as its metrics count them, without heartbeats. */
async function messagesOf(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  const counts = text.matchAll(/^gantry_cluster_commands_total\{kind="(\w+)"\} (\d+)$/gm);
  return sum(Array.from(counts, ([, kind, count]) => (kind === "beat" ? 0 : Number(count))));
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
