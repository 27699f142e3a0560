/** What a login costs: one hot manifest, asked for by 64 connections with credentials and without. */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import { type Contender, login } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { type LoadResult, loadTools } from "../driver/load.js";
import { Payload } from "../driver/payload.js";
import {
  expectStatus,
  makeManifest,
  manifestMediaType,
  manifestPath,
  pushBlob,
  putManifest,
} from "../driver/registry.js";
import { findProgram } from "../processes.js";
import { progress } from "../progress.js";
import type { Sample, Scenario } from "../scenario.js";

const repository = "bench/login";
const tag = "latest";
const connections = 64;
const peers = ["gantry"] as const;

const basic = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString("base64")}`;

/** Of some 1.7 KB, as in the other scenarios of manifests. */
const config = new Payload(2_000);
const layers = Array.from({ length: 8 }, () => new Payload(20_000));
const manifest = makeManifest(config, layers);

type Scheme = "basic" | "bearer";

export const loginScenarios: readonly Scenario[] = [loginScenario("basic"), loginScenario("bearer")];

function loginScenario(scheme: Scheme): Scenario {
  return {
    name: `login-${scheme}`,
    what: `GET manifest by tag with ${scheme} credentials, and at a server without logins, ${connections} connections, driven by wrk`,
    unit: "requests/s",
    target: { kind: "ratio", peer: "gantry", atLeast: 0.6 },
    peers,
    run: async (settings) => {
      if ((await findProgram("wrk")) === undefined) {
        progress("wrk is not installed: going on without it");
        return [];
      }
      const seconds = settings.quick ? 2 : 3;
      await using arena = await Arena.open({ ...settings, subject: "gantry-login" }, peers);
      // A token lives longer than the scenario.
      const token = await tokenOf(arena.contenders[0]);
      const authorizationOf = ({ name }: Contender) => {
        if (name !== "gantry-login") return undefined;
        return scheme === "basic" ? basic : `Bearer ${token}`;
      };
      return await arena.interleave(
        settings.rounds,
        async (contender) => {
          await prepare(contender);
          await ask(contender, authorizationOf(contender), 1);
        },
        (contender) => ask(contender, authorizationOf(contender), seconds),
      );
    },
  };
}

/** As any client gets it. */
async function tokenOf(contender: Contender | undefined): Promise<string> {
  assert(contender?.name === "gantry-login", "the subject is the one with logins");
  using connection = await Connection.open(contender, { Authorization: basic });
  const path = `/token?service=gantry&scope=repository:${repository}:pull`;
  const { body } = expectStatus(await connection.request("GET", path), 200, "GET token");
  return JSON.parse(body.toString()).token;
}

/** Pushes the image, and makes sure that it is not to be had without a login where there are any. */
async function prepare(contender: Contender): Promise<void> {
  const { name } = contender;
  using connection = await Connection.open(
    contender,
    name === "gantry-login" ? { Authorization: basic } : {},
  );
  for (const blob of [config, ...layers]) {
    await pushBlob(connection, repository, blob, "put");
  }
  await putManifest(connection, repository, tag, manifest);
  using stranger = await Connection.open(contender);
  const answer = await stranger.request("GET", manifestPath(repository, tag));
  expectStatus(answer, name === "gantry-login" ? 401 : 200, "GET manifest without a login");
}

async function ask(
  contender: Contender,
  authorization: string | undefined,
  seconds: number,
): Promise<Sample> {
  const path = manifestPath(repository, tag);
  let result: LoadResult = { requestsPerSecond: 0 };
  const timing = await timed(contender, async () => {
    result = await loadTools.wrk({
      endpoint: contender,
      path,
      method: "GET",
      accept: manifestMediaType,
      authorization,
      connections,
      seconds,
      reconnect: false,
    });
  });
  const { requestsPerSecond, ...details } = result;
  return { value: requestsPerSecond, ...timing, details: { ...details } };
}
