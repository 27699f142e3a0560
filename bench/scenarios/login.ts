/** The cost of a login: one hot manifest, requested by 64 connections with and without credentials. */
import { strict as assert } from "node:assert";
import { Arena } from "../arena.js";
import { login } from "../contenders/gantry.js";
import type { Contender } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { hotImage } from "../driver/hot-image.js";
import { storeImage } from "../driver/image.js";
import { expectStatus, manifestMediaType, manifestPath } from "../driver/registry.js";
import { measureLoad, toolIsThere } from "../measure-load.js";
import { against, type Sample, type Scenario } from "../scenario.js";

const repository = "bench/login";
const image = hotImage(repository);
const path = manifestPath(repository, image.tag);
const connections = 64;
const sides = against({ gantry: 0.6 });

const basic = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString("base64")}`;

type Scheme = "basic" | "bearer";

export const loginScenarios: readonly Scenario[] = [loginScenario("basic"), loginScenario("bearer")];

function loginScenario(scheme: Scheme): Scenario {
  return {
    name: `login-${scheme}`,
    what: `GET manifest by tag with ${scheme} credentials, and at a server without logins, ${connections} connections, driven by wrk`,
    unit: "requests/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      if (!(await toolIsThere("wrk"))) return [];
      const seconds = settings.quick ? 2 : 3;
      await using arena = await Arena.open({ ...settings, subject: "gantry-login" }, sides.peers);
      // A token lives longer than the scenario.
      const token = await tokenOf(arena.contenders[0]);
      const authorizationOf = ({ name }: Contender) => {
        if (name !== "gantry-login") return undefined;
        return scheme === "basic" ? basic : `Bearer ${token}`;
      };
      return await arena.interleave(
        settings,
        async (contender) => {
          await prepare(contender);
          await ask(contender, authorizationOf(contender), 1);
        },
        (contender) => ask(contender, authorizationOf(contender), seconds),
      );
    },
  };
}

/** Gets a token like any client. */
async function tokenOf(contender: Contender | undefined): Promise<string> {
  assert(contender?.name === "gantry-login", "the subject is the one with logins");
  using connection = await Connection.open(contender, { Authorization: basic });
  const scope = `/token?service=gantry&scope=repository:${repository}:pull`;
  const { body } = expectStatus(await connection.request("GET", scope), 200, "GET token");
  return JSON.parse(body.toString()).token;
}

/** Pushes the image, and checks that it needs a login if there are any. */
async function prepare(contender: Contender): Promise<void> {
  const { name } = contender;
  using connection = await Connection.open(
    contender,
    name === "gantry-login" ? { Authorization: basic } : {},
  );
  await storeImage(connection, image);
  using stranger = await Connection.open(contender);
  const answer = await stranger.request("GET", path);
  expectStatus(answer, name === "gantry-login" ? 401 : 200, "GET manifest without a login");
}

function ask(contender: Contender, authorization: string | undefined, seconds: number): Promise<Sample> {
  return measureLoad(contender, "wrk", {
    path,
    method: "GET",
    accept: manifestMediaType,
    authorization,
    connections,
    seconds,
    reconnect: false,
  });
}
