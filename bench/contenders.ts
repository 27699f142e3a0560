/**
 * The servers that are compared: Gantry, docker-registry (CNCF distribution) and nginx. Each runs on a
 * loopback port with a temporary folder of its own, and leaves nothing behind when disposed.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import { issueCertificate } from "../test/support/certificates.js";
import type { Endpoint } from "./driver/endpoint.js";
import { findProgram, freePort, type RunningProcess, startProcess, waitUntil } from "./processes.js";
import { profilingFlags } from "./profile/profiles.js";

export type RegistryName = "gantry" | "docker-registry";
/**
 * `gantry-relaxed` syncs nothing, `gantry-silent` writes no access log, `gantry-login` wants a login and has a
 * policy.
 */
export type ContenderName = RegistryName | "gantry-relaxed" | "gantry-silent" | "gantry-login" | "nginx";

/** Who may do everything at `gantry-login`. */
export const login = { user: "bench", password: "a password of some length" } as const;

export interface Contender extends Endpoint, AsyncDisposable {
  readonly name: ContenderName;
  readonly pid: number;
  /** Where it stores blobs, or, for nginx, the files it serves. */
  readonly dataFolder: string;
  /** What it printed to standard error. */
  complaints(): string;
  assertAlive(): void;
}

const teamCount = 20;
/** htpasswd's default is 5; what is usual is 10. */
const bcryptCost = 10;

/** Process and folder of those that run, for the bench may be interrupted or fail where nothing is disposed. */
const leftovers = new Map<number, string>();

process.once("exit", () => {
  for (const [pid, folder] of leftovers) {
    try {
      // Not SIGKILL: nginx's master takes its workers along.
      process.kill(pid, "SIGTERM");
    } catch {
      // It has ended by itself.
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});

/** Compiled, this file is dist/bench/contenders.js. */
const gantryProgram = fileURLToPath(new URL("../src/gantry.cjs", import.meta.url));

/** What a registry needs to speak HTTPS. */
export interface ServerTls {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface ContenderOptions {
  readonly secure: boolean;
  /** Where Gantry leaves CPU profiles when it ends; it makes none without. */
  readonly profileFolder?: string | undefined;
}

/** Starts a contender and waits until it answers; undefined when its program is not installed. */
export async function startContender(
  name: ContenderName,
  { secure, profileFolder }: ContenderOptions,
): Promise<Contender | undefined> {
  const command = await commandOf(name, profileFolder);
  if (command === undefined) {
    return undefined;
  }
  // The folder follows TMPDIR: point that at the disk to be measured.
  const folder = await mkdtemp(join(tmpdir(), `gantry-bench-${name}-`));
  const dataFolder = join(folder, "data");
  await mkdir(dataFolder);
  try {
    const { ca, tls } = secure ? await makeCertificate(folder) : { ca: undefined, tls: undefined };
    const { running, port } = await starters[name](command, folder, dataFolder, tls);
    leftovers.set(running.pid, folder);
    return {
      name,
      port,
      ca,
      pid: running.pid,
      dataFolder,
      complaints: running.complaints,
      assertAlive: running.assertAlive,
      [Symbol.asyncDispose]: async () => {
        await running[Symbol.asyncDispose]();
        leftovers.delete(running.pid);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A program and what it is always given. */
type Command = readonly [program: string, ...parameters: string[]];

/** What is installed by that name. */
async function commandOf(
  name: ContenderName,
  profileFolder: string | undefined,
): Promise<Command | undefined> {
  if (name.startsWith("gantry")) {
    const flags = profileFolder === undefined ? [] : profilingFlags(profileFolder);
    return [process.execPath, ...flags, gantryProgram, "serve"];
  }
  const program = await findProgram(name);
  return program === undefined ? undefined : [program];
}

/** Of a CA of its own, with the kind of key that handshakes cost least with. */
async function makeCertificate(folder: string): Promise<{ ca: string; tls: ServerTls }> {
  const by = await issueCertificate({ name: "bench CA", authority: true });
  const { pem, keyPem } = await issueCertificate({ name: "registry", by, addresses: ["127.0.0.1"] });
  const tls = { certificate: join(folder, "server.pem"), key: join(folder, "server.key") };
  await writeFile(tls.certificate, pem);
  await writeFile(tls.key, keyPem);
  return { ca: by.pem, tls };
}

interface Started {
  readonly running: RunningProcess;
  readonly port: number;
}

const starters: Readonly<
  Record<
    ContenderName,
    (command: Command, folder: string, dataFolder: string, tls: ServerTls | undefined) => Promise<Started>
  >
> = {
  gantry: (command, _, dataFolder, tls) => startGantry(command, dataFolder, tls),
  "gantry-relaxed": (command, _, dataFolder, tls) =>
    startGantry(command, dataFolder, tls, { REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed" }),
  "gantry-silent": (command, _, dataFolder, tls) =>
    startGantry(command, dataFolder, tls, { REGISTRY_LOG_ACCESSLOG_DISABLED: "true" }),
  "gantry-login": startGantryWithLogin,
  "docker-registry": startDockerRegistry,
  nginx: startNginx,
};

async function startGantry(
  [program, ...parameters]: Command,
  dataFolder: string,
  tls: ServerTls | undefined,
  settings: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const running = startProcess(program, parameters, {
    REGISTRY_HTTP_ADDR: "127.0.0.1:0",
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: dataFolder,
    ...(tls && { REGISTRY_HTTP_TLS_CERTIFICATE: tls.certificate, REGISTRY_HTTP_TLS_KEY: tls.key }),
    ...settings,
  });
  return await whenReady(running, async () => {
    const port = /ready on https?:\/\/127\.0\.0\.1:(\d+)/.exec(running.output())?.[1];
    return port === undefined ? undefined : Number(port);
  });
}

/** The rule that grants is the last of several, as in a policy of many teams. */
async function startGantryWithLogin(
  command: Command,
  folder: string,
  dataFolder: string,
  tls: ServerTls | undefined,
): Promise<Started> {
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
  return startGantry(command, dataFolder, tls, {
    REGISTRY_AUTH_HTPASSWD_PATH: users,
    REGISTRY_AUTH_POLICY: policy,
  });
}

/** As its documented example configuration has it (in-memory descriptor cache), with its logs off. */
async function startDockerRegistry(
  [program]: Command,
  folder: string,
  dataFolder: string,
  tls: ServerTls | undefined,
): Promise<Started> {
  const port = await freePort();
  const configuration = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      cache: { blobdescriptor: "inmemory" },
      filesystem: { rootdirectory: dataFolder },
      delete: { enabled: true },
    },
    http: { addr: `127.0.0.1:${port}`, tls },
  };
  // JSON is YAML.
  const path = join(folder, "config.yml");
  await writeFile(path, JSON.stringify(configuration));
  const running = startProcess(program, ["serve", path]);
  return await whenReady(running, () => answering(port));
}

async function startNginx([program]: Command, folder: string, dataFolder: string): Promise<Started> {
  const port = await freePort();
  // A master that runs as root would serve as an account that may not enter the temporary folder.
  const user = process.getuid?.() === 0 ? "user root root;" : "";
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const path = join(folder, "nginx.conf");
  await writeFile(
    path,
    `${user} daemon off; worker_processes auto; pid ${folder}/pid; error_log stderr crit;
    events { worker_connections 1024; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
      ${scratch.join(" ")}
      server { listen 127.0.0.1:${port}; root ${dataFolder}; }
    }`,
  );
  const running = startProcess(program, ["-p", folder, "-c", path, "-e", "stderr"]);
  return await whenReady(running, () => answering(port));
}

/** A contender that never becomes ready must not stay behind. */
async function whenReady(
  running: RunningProcess,
  probe: () => Promise<number | undefined>,
): Promise<Started> {
  try {
    return { running, port: await waitUntil(running, probe) };
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

async function answering(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(port)).once("error", () => resolve(undefined));
    socket.once("connect", () => socket.destroy());
  });
}
