/** What CI asks most: is this tag, this manifest, this layer there? 64 connections on hot objects. */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { type Load, type LoadResult, type LoadTool, loadTools } from "../driver/load.js";
import { Payload } from "../driver/payload.js";
import {
  blobPath,
  expectStatus,
  makeManifest,
  manifestMediaType,
  manifestPath,
  pushBlob,
  putManifest,
} from "../driver/registry.js";
import { findProgram } from "../processes.js";
import { progress } from "../progress.js";
import type { Sample, Scenario, Target } from "../scenario.js";

const repository = "bench/metadata";
const tag = "latest";
const connections = 64;

interface Question {
  readonly method: "GET" | "HEAD";
  readonly object: "manifest" | "blob";
  readonly tool: LoadTool;
  readonly secure?: boolean;
  readonly reconnect?: boolean;
}

/** The same image for every contender: a manifest of some 1.7 KB. */
const config = new Payload(2_000);
const layers = Array.from({ length: 8 }, () => new Payload(20_000));
const manifest = makeManifest(config, layers);

type Ratio = Extract<Target, { kind: "ratio" }>;

function atLeast(times: number): Ratio {
  return { kind: "ratio", peer: "docker-registry", atLeast: times };
}

/** What the access log costs: as much as is missing to 1. */
const logging: Ratio = { kind: "ratio", peer: "gantry-silent", atLeast: 0.9 };

export const metadataScenarios: readonly Scenario[] = [
  metadataScenario("get-manifest", { method: "GET", object: "manifest", tool: "autocannon" }),
  metadataScenario("get-manifest-wrk", { method: "GET", object: "manifest", tool: "wrk" }),
  metadataScenario("head-manifest", { method: "HEAD", object: "manifest", tool: "autocannon" }),
  metadataScenario("head-manifest-sockets", { method: "HEAD", object: "manifest", tool: "sockets" }),
  metadataScenario("head-blob", { method: "HEAD", object: "blob", tool: "autocannon" }),
  metadataScenario("head-blob-sockets", { method: "HEAD", object: "blob", tool: "sockets" }),
  metadataScenario("tls-get-manifest", {
    method: "GET",
    object: "manifest",
    tool: "wrk",
    secure: true,
  }),
  metadataScenario(
    "tls-connect",
    { method: "GET", object: "manifest", tool: "wrk", secure: true, reconnect: true },
    atLeast(2),
  ),
  metadataScenario("logging", { method: "GET", object: "manifest", tool: "wrk" }, logging),
];

function metadataScenario(name: string, question: Question, target = atLeast(20)): Scenario {
  const { method, object, tool, secure, reconnect } = question;
  const peers = [target.peer];
  const ways = `${secure ? " by HTTPS" : ""}${reconnect ? ", each on a new connection" : ""}`;
  return {
    name,
    what: `${method} ${object === "manifest" ? "manifest by tag" : "blob"}${ways}, ${connections} connections, driven by ${tool}`,
    unit: "requests/s",
    target,
    peers,
    run: async (settings) => {
      if (tool === "wrk" && (await findProgram("wrk")) === undefined) {
        progress("wrk is not installed: going on without it");
        return [];
      }
      const seconds = settings.quick ? 2 : 3;
      await using arena = await Arena.open(settings, peers, question);
      return await arena.interleave(
        settings.rounds,
        async (contender) => {
          await prepare(contender);
          await ask(contender, question, 1);
        },
        (contender) => ask(contender, question, seconds),
      );
    },
  };
}

/** Pushes the image and checks the answers that will be counted. */
async function prepare(contender: Contender): Promise<void> {
  using connection = await Connection.open(contender);
  for (const blob of [config, ...layers]) {
    await pushBlob(connection, repository, blob, "put");
  }
  await putManifest(connection, repository, tag, manifest);
  const headers = { Accept: manifestMediaType };
  const got = expectStatus(
    await connection.request("GET", manifestPath(repository, tag), { headers }),
    200,
    "GET manifest",
  );
  assert(got.body.equals(manifest.bytes), "the manifest comes back as it was pushed");
  for (const [path, length] of [
    [pathOf("manifest"), manifest.bytes.length],
    [pathOf("blob"), layers[0]?.length],
  ] as const) {
    const head = expectStatus(await connection.request("HEAD", path, { headers }), 200, `HEAD ${path}`);
    assert.equal(head.headers.get("content-length"), String(length), "HEAD tells the length");
  }
}

async function ask(
  contender: Contender,
  { method, object, tool, reconnect = false }: Question,
  seconds: number,
): Promise<Sample> {
  const load: Load = {
    endpoint: contender,
    path: pathOf(object),
    method,
    accept: manifestMediaType,
    connections,
    seconds,
    reconnect,
  };
  let result: LoadResult = { requestsPerSecond: 0 };
  const timing = await timed(contender, async () => {
    result = await loadTools[tool](load);
  });
  const { requestsPerSecond, ...details } = result;
  return { value: requestsPerSecond, ...timing, details: { ...details } };
}

function pathOf(object: Question["object"]): string {
  return object === "manifest"
    ? manifestPath(repository, tag)
    : blobPath(repository, layers[0]?.digest ?? "");
}
