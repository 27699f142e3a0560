/** The most frequent requests of CI: does this tag, manifest or layer exist? 64 connections on hot objects. */
import { strict as assert } from "node:assert";
import { Arena } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { hotImage } from "../driver/hot-image.js";
import { storeImage } from "../driver/image.js";
import type { LoadTool } from "../driver/load.js";
import { blobPath, expectStatus, manifestMediaType, manifestPath } from "../driver/registry.js";
import { measureLoad, toolIsThere } from "../measure-load.js";
import { type Aims, against, type Sample, type Scenario } from "../scenario.js";

const repository = "bench/metadata";
const connections = 64;

interface Question {
  readonly method: "GET" | "HEAD";
  readonly object: "manifest" | "blob";
  readonly tool: LoadTool;
  readonly secure?: boolean;
  readonly reconnect?: boolean;
  /** If it differs from the bench's subject. */
  readonly subject?: ContenderName;
}

const image = hotImage(repository);
const [layer] = image.blobs;
assert(layer !== undefined);
const paths = { manifest: manifestPath(repository, image.tag), blob: blobPath(repository, layer.digest) };

const overHttp: Aims = {
  "get-limit": 0.8,
  "docker-registry": 20,
  "distribution-3": 20,
  zot: null,
  angos: null,
};

export const metadataScenarios: readonly Scenario[] = [
  metadataScenario("get-manifest", { method: "GET", object: "manifest", tool: "autocannon" }),
  metadataScenario("get-manifest-wrk", { method: "GET", object: "manifest", tool: "wrk" }),
  metadataScenario("head-manifest", { method: "HEAD", object: "manifest", tool: "autocannon" }),
  metadataScenario("head-manifest-sockets", { method: "HEAD", object: "manifest", tool: "sockets" }),
  metadataScenario("head-blob", { method: "HEAD", object: "blob", tool: "autocannon" }),
  metadataScenario("head-blob-sockets", { method: "HEAD", object: "blob", tool: "sockets" }),
  metadataScenario(
    "tls-get-manifest",
    { method: "GET", object: "manifest", tool: "wrk", secure: true },
    { "docker-registry": 20, "distribution-3": 20, zot: null, angos: null },
  ),
  metadataScenario(
    "tls-connect",
    { method: "GET", object: "manifest", tool: "wrk", secure: true, reconnect: true },
    { "docker-registry": 2, "distribution-3": 2, zot: null, angos: null },
  ),
  metadataScenario(
    "logging",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-logging" },
    // The cost of access log and metrics, as the difference from 1, and what remains of a bare response.
    { gantry: 0.9, "get-limit": 0.7 },
  ),
  metadataScenario(
    "s3-get-manifest",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-s3" },
    { "distribution-3-s3": 10 },
  ),
  metadataScenario(
    "s3-far-get-manifest",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-s3-far" },
    { "distribution-3-s3-far": 10 },
  ),
  metadataScenario(
    "tracing-some",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-traced-some" },
    { gantry: 0.9 },
  ),
  metadataScenario(
    "tracing-all",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-traced" },
    { gantry: null },
  ),
  metadataScenario(
    "webhooks",
    { method: "GET", object: "manifest", tool: "wrk", subject: "gantry-notifying" },
    { gantry: null },
  ),
];

function metadataScenario(name: string, question: Question, aims = overHttp): Scenario {
  const { method, object, tool, secure, reconnect } = question;
  const sides = against(aims);
  const ways = `${secure ? " by HTTPS" : ""}${reconnect ? ", each on a new connection" : ""}`;
  return {
    name,
    what: `${method} ${object === "manifest" ? "manifest by tag" : "blob"}${ways}, ${connections} connections, driven by ${tool}`,
    unit: "requests/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      if (!(await toolIsThere(tool))) return [];
      const seconds = settings.quick ? 2 : 3;
      await using arena = await Arena.open(
        { ...settings, subject: question.subject ?? settings.subject },
        sides.peers,
        question,
      );
      return await arena.interleave(
        settings,
        async (contender) => {
          await prepareManifest(contender);
          await ask(contender, question, 1);
        },
        (contender) => ask(contender, question, seconds),
      );
    },
  };
}

/** Asks for the manifest by wrk, for other scenarios. Call `prepareManifest` before. */
export function askForManifest(contender: Contender, seconds: number): Promise<Sample> {
  return ask(contender, { method: "GET", object: "manifest", tool: "wrk" }, seconds);
}

/** Pushes the image and checks the responses that will be counted. */
export async function prepareManifest(contender: Contender): Promise<void> {
  using connection = await Connection.open(contender);
  await storeImage(connection, image);
  const headers = { Accept: manifestMediaType };
  const { bytes } = image.manifest;
  const got = expectStatus(await connection.request("GET", paths.manifest, { headers }), 200, "GET manifest");
  assert(got.body.equals(bytes), "the manifest comes back as it was pushed");
  for (const [path, length] of [
    [paths.manifest, bytes.length],
    [paths.blob, layer?.length],
  ] as const) {
    const head = expectStatus(await connection.request("HEAD", path, { headers }), 200, `HEAD ${path}`);
    assert.equal(head.headers.get("content-length"), String(length), "HEAD has the length");
  }
}

function ask(
  contender: Contender,
  { method, object, tool, reconnect = false }: Question,
  seconds: number,
): Promise<Sample> {
  return measureLoad(contender, tool, {
    path: paths[object],
    method,
    accept: manifestMediaType,
    connections,
    seconds,
    reconnect,
  });
}
