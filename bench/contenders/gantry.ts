/** Gantry with its defaults and its profile's settings, of this build or another checkout. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import { Upstream } from "../driver/upstream.js";
import { outputOf } from "../processes.js";
import { type Own, silent, startGantry } from "./gantry-process.js";
import { type GantryOnS3Name, gantryOnS3Profiles } from "./gantry-s3.js";
import type { Place, Profile } from "./profile.js";

/** The admin of `gantry-login`. */
export const login = { user: "bench", password: "a password of some length" } as const;

const teamCount = 20;
/** htpasswd's default is 5; 10 is usual. */
const bcryptCost = 10;

/** Compiled, this file is dist/bench/contenders/gantry.js. */
export const gantryCommand = fileURLToPath(new URL("../../src/gantry.cjs", import.meta.url));

/** Like it, of another checkout. */
export function gantryCommandIn(checkout: string): string {
  return join(checkout, "dist/src/gantry.cjs");
}

export type GantryName =
  | "gantry"
  | "gantry-relaxed"
  | "gantry-logging"
  | "gantry-traced"
  | "gantry-traced-some"
  | "gantry-notifying"
  | "gantry-login"
  | "gantry-1-process"
  | "gantry-2-processes"
  | "gantry-4-processes"
  | "gantry-mirror"
  | GantryOnS3Name;

/** For the Gantry with the compiled entry `command`. */
export function gantryProfiles(command: string): Readonly<Record<GantryName, Profile>> {
  const profile = (
    configuration: string,
    settings: (place: Place) => Own | Promise<Own>,
    durability = "file and folders synced before the 201",
  ): Profile => ({
    program: undefined,
    durability,
    configuration,
    version: async (program) => await outputOf(program, [command, "version"]),
    start: async (place) => await startGantry(command, place, await settings(place)),
  });
  return {
    gantry: profile("defaults, no access log", () => silent),
    "gantry-relaxed": profile(
      "durability relaxed, no access log",
      () => ({ ...silent, REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed" }),
      "nothing synced",
    ),
    "gantry-logging": profile("defaults, with access log and metrics", () => ({
      REGISTRY_HTTP_METRICS_ENABLED: "true",
    })),
    "gantry-traced": profile("all requests traced, to a collector that drops them; no access log", () =>
      traced("1"),
    ),
    "gantry-traced-some": profile(
      "one in a hundred requests traced, to a collector that drops them; no access log",
      () => traced("0.01"),
    ),
    "gantry-notifying": profile(
      "a webhook for every pull and push, to a receiver that drops them; no access log",
      notifying,
    ),
    "gantry-login": profile(
      `htpasswd (bcrypt ${bcryptCost}), a policy of ${teamCount + 1} rules, no access log`,
      withLogin,
    ),
    "gantry-mirror": profile("cache of the bench's upstream, no access log", async () => ({
      ...silent,
      REGISTRY_PROXY_REMOTEURL: (await Upstream.shared()).url,
    })),
    "gantry-1-process": profile("one process, with metrics, no access log", () => ofProcesses(1)),
    "gantry-2-processes": profile("two processes, with metrics, no access log", () => ofProcesses(2)),
    "gantry-4-processes": profile("four processes, with metrics, no access log", () => ofProcesses(4)),
    ...gantryOnS3Profiles(command),
  };
}

/** The metrics have the number of messages. */
function ofProcesses(count: number): Own {
  return { ...silent, REGISTRY_HTTP_PROCESSES: String(count), REGISTRY_HTTP_METRICS_ENABLED: "true" };
}

/** Accepts and drops posted bodies in the bench's process until it ends. Returns its origin. */
async function startSink(): Promise<string> {
  const sink = createServer((request, response) => {
    request.resume().on("end", () => response.end());
  }).unref();
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
}

async function traced(ratio: string): Promise<Own> {
  return {
    ...silent,
    REGISTRY_TRACING_EXPORTER: "otlp",
    REGISTRY_TRACING_ENDPOINT: `${await startSink()}/v1/traces`,
    REGISTRY_TRACING_SAMPLERRATIO: ratio,
  };
}

async function notifying(): Promise<Own> {
  const endpoints = [{ name: "bench", url: await startSink() }];
  return { ...silent, REGISTRY_NOTIFICATIONS_ENDPOINTS: JSON.stringify(endpoints) };
}

/** The matching rule is the last of several, as in a policy of many teams. */
async function withLogin({ folder }: Place): Promise<Own> {
  const users = join(folder, "users");
  await writeFile(users, `${login.user}:${hashSync(login.password, bcryptCost)}\n`);
  const teams = Array.from({ length: teamCount }, (_, team) => ({
    repositories: [`team-${team}/**`],
    users: [`member-of-${team}`],
    allow: ["pull", "push"],
  }));
  const rules = [...teams, { repositories: "bench/**", users: login.user, allow: ["pull", "push"] }];
  // JSON is YAML.
  const policy = join(folder, "policy.yaml");
  await writeFile(policy, JSON.stringify({ rules }));
  return { ...silent, REGISTRY_AUTH_HTPASSWD_PATH: users, REGISTRY_AUTH_POLICY: policy };
}
