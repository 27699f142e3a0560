/** Gantry as it is built here, with its defaults but for what its name says. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import { outputOf, startProcess } from "../processes.js";
import { profilingFlags } from "../profile/profiles.js";
import { type Place, type Profile, printedPort, type Started, whenReady } from "./profile.js";

/** Who may do everything at `gantry-login`. */
export const login = { user: "bench", password: "a password of some length" } as const;

const teamCount = 20;
/** htpasswd's default is 5; what is usual is 10. */
const bcryptCost = 10;

/** Compiled, this file is dist/bench/contenders/gantry.js. */
export const gantryCommand = fileURLToPath(new URL("../../src/gantry.cjs", import.meta.url));

/** No contender writes an access log: its price is a scenario of its own. */
const silent = { REGISTRY_LOG_ACCESSLOG_DISABLED: "true" } as const;

const durable = "file and folders synced before the 201";

export const gantry: Profile = {
  program: undefined,
  durability: durable,
  configuration: "defaults, no access log",
  version: async (program) => await outputOf(program, [gantryCommand, "version"]),
  start: (place) => start(place, silent),
};

export const gantryLogging: Profile = {
  ...gantry,
  configuration: "defaults, so with its access log, and metrics",
  start: (place) => start(place, { REGISTRY_HTTP_METRICS_ENABLED: "true" }),
};

export const gantryTraced: Profile = {
  ...gantry,
  configuration: "all requests traced, to a collector that drops them; no access log",
  start: (place) => startTraced(place, "1"),
};

export const gantryTracedSome: Profile = {
  ...gantry,
  configuration: "one in a hundred requests traced, to a collector that drops them; no access log",
  start: (place) => startTraced(place, "0.01"),
};

export const gantryNotifying: Profile = {
  ...gantry,
  configuration: "a webhook for every pull and push, to a receiver that drops them; no access log",
  start: async (place) =>
    start(place, {
      ...silent,
      REGISTRY_NOTIFICATIONS_ENDPOINTS: JSON.stringify([{ name: "bench", url: await startSink() }]),
    }),
};

export const gantryRelaxed: Profile = {
  ...gantry,
  durability: "nothing synced",
  configuration: "durability relaxed, no access log",
  start: (place) => start(place, { ...silent, REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed" }),
};

export const gantryLogin: Profile = {
  ...gantry,
  configuration: `htpasswd (bcrypt ${bcryptCost}), a policy of ${teamCount + 1} rules, no access log`,
  start: startWithLogin,
};

async function start(
  { program, dataFolder, tls, settings, profileFolder }: Place,
  own: Readonly<Record<string, string>>,
): Promise<Started> {
  const flags = profileFolder === undefined ? [] : profilingFlags(profileFolder);
  const running = startProcess(program, [...flags, gantryCommand, "serve"], {
    REGISTRY_HTTP_ADDR: "127.0.0.1:0",
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: dataFolder,
    ...(tls && { REGISTRY_HTTP_TLS_CERTIFICATE: tls.certificate, REGISTRY_HTTP_TLS_KEY: tls.key }),
    ...own,
    ...settings,
  });
  return await whenReady(running, printedPort(running));
}

/** Takes what is posted and drops it, in the bench's own process, and ends with that. Its origin. */
async function startSink(): Promise<string> {
  const sink = createServer((request, response) => {
    request.resume().on("end", () => response.end());
  }).unref();
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
}

async function startTraced(place: Place, ratio: string): Promise<Started> {
  return start(place, {
    ...silent,
    REGISTRY_TRACING_EXPORTER: "otlp",
    REGISTRY_TRACING_ENDPOINT: `${await startSink()}/v1/traces`,
    REGISTRY_TRACING_SAMPLERRATIO: ratio,
  });
}

/** The rule that grants is the last of several, as in a policy of many teams. */
async function startWithLogin(place: Place): Promise<Started> {
  const users = join(place.folder, "users");
  await writeFile(users, `${login.user}:${hashSync(login.password, bcryptCost)}\n`);
  const teams = Array.from({ length: teamCount }, (_, team) => ({
    repositories: [`team-${team}/**`],
    users: [`member-of-${team}`],
    allow: ["pull", "push"],
  }));
  const rules = [...teams, { repositories: "bench/**", users: login.user, allow: ["pull", "push"] }];
  // JSON is YAML.
  const policy = join(place.folder, "policy.yaml");
  await writeFile(policy, JSON.stringify({ rules }));
  return start(place, {
    ...silent,
    REGISTRY_AUTH_HTPASSWD_PATH: users,
    REGISTRY_AUTH_POLICY: policy,
  });
}
