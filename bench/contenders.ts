/**
 * The compared servers. Each runs on a loopback port with its own temporary folder, and leaves nothing behind when disposed.
 */
import { strict as assert } from "node:assert";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueCertificate } from "../test/support/certificates.js";
import { angos } from "./contenders/angos.js";
import {
  distribution3,
  distribution3Mirror,
  distribution3OnFarS3,
  distribution3OnS3,
  dockerRegistry,
} from "./contenders/distribution.js";
import { type GantryName, gantryCommand, gantryCommandIn, gantryProfiles } from "./contenders/gantry.js";
import { getLimit, pushLimit } from "./contenders/limits.js";
import { nginx } from "./contenders/nginx.js";
import type { BehindCounts, Place, Profile, ServerTls } from "./contenders/profile.js";
import { zot } from "./contenders/zot.js";
import type { Endpoint } from "./driver/endpoint.js";
import { findProgram, removeFolder } from "./processes.js";
import { progress } from "./progress.js";

/** Complete registries, which accept every request of distribution-spec. */
export const registryNames = ["gantry", "docker-registry", "distribution-3", "zot", "angos"] as const;
export type RegistryName = (typeof registryNames)[number];

/**
 * In addition to the registries: Gantry with relaxed durability, with access log, with traces of all or some requests, with
 * login and policy; Gantry and distribution 3 as caches of another registry, and on an S3 server, near or far; one and two nodes of Gantry over servers that
 * count; Gantry of another checkout; nginx, the limit for pulls; and the limits for pushes and small responses, see
 * bench/limit.
 */
export type ContenderName =
  | RegistryName
  | GantryName
  | "distribution-3-mirror"
  | "distribution-3-s3"
  | "distribution-3-s3-far"
  | "gantry-before"
  | "nginx"
  | "push-limit"
  | "get-limit";

const profiles: Readonly<Record<Exclude<ContenderName, "gantry-before">, Profile>> = {
  ...gantryProfiles(gantryCommand),
  "docker-registry": dockerRegistry,
  "distribution-3": distribution3,
  "distribution-3-mirror": distribution3Mirror,
  "distribution-3-s3": distribution3OnS3,
  "distribution-3-s3-far": distribution3OnFarS3,
  zot,
  angos,
  nginx,
  "push-limit": pushLimit,
  "get-limit": getLimit,
};

const contenderNames = [...Object.keys(profiles), "gantry-before"] as readonly ContenderName[];

/** The checkout of `gantry-before`, which is another build. */
export interface Before {
  readonly subject: ContenderName;
  readonly checkoutBefore?: string | undefined;
}

function profileOf(name: ContenderName, { subject, checkoutBefore }: Before): Profile {
  if (name !== "gantry-before") return profiles[name];
  assert(checkoutBefore !== undefined, "its measurement names its checkout");
  const before: Partial<Record<ContenderName, Profile>> = gantryProfiles(gantryCommandIn(checkoutBefore));
  const profile = before[subject];
  if (profile === undefined) throw new Error("only Gantry can be compared with an earlier build");
  return profile;
}

/** The facts about a contender that readers of results need. */
export type ContenderFacts = Pick<Profile, "durability" | "configuration"> & { readonly version: string };

/** A server process of a contender. */
export interface ContenderNode {
  readonly pid: number;
  readonly port: number;
}

export interface Contender extends Endpoint, AsyncDisposable {
  readonly name: ContenderName;
  readonly pid: number;
  /** All its nodes, itself first. */
  readonly nodes: readonly ContenderNode[];
  /** What the servers behind it have done so far; `undefined` if they do not count. */
  counts(): Promise<BehindCounts | undefined>;
  /** Folder of its blobs or, for nginx, of the files it serves. */
  readonly dataFolder: string;
  /** Its output on standard error. */
  complaints(): string;
  assertAlive(): void;
  /** Restarts it on its stored content, on another port. Returns the time of the start, by `performance.now()`. */
  restart(): Promise<number>;
}

/** Starts programs under other conditions: with limits, or with slow syncs. */
export interface Wrapper {
  /** Writes a script into `folder` that becomes `program`, and returns the script's path. */
  wrap(program: string, folder: string): string;
}

export interface StartOptions {
  /** Whether it speaks HTTPS. */
  readonly secure?: boolean | undefined;
  /** For Gantry: additional environment variables. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Folder of Gantry's CPU profiles; without it there are none. */
  readonly profileFolder?: string | undefined;
  readonly wrapper?: Wrapper | undefined;
  /** Fills the folder before the server starts. */
  readonly lay?: ((name: ContenderName, dataFolder: string) => void) | undefined;
}

/** Folders of running contenders, to clean up if the bench is interrupted or fails. */
const leftovers = new Set<string>();

process.once("exit", () => {
  // Their processes, which have been told to end, may write there until they have ended.
  for (const folder of leftovers) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

/** Versions of the installed ones. */
export async function factsOf(
  names: ReadonlySet<string>,
  before: Before,
): Promise<Readonly<Record<string, ContenderFacts>>> {
  const facts: Record<string, ContenderFacts> = {};
  for (const name of contenderNames.filter((name) => names.has(name))) {
    const profile = profileOf(name, before);
    const { durability, configuration, version } = profile;
    const program = await programOf(profile);
    if (program !== undefined) {
      facts[name] = { durability, configuration, version: await version(program) };
    }
  }
  return facts;
}

/** Resolves with `undefined` if something is not installed. */
async function programOf({ program, needs = [] }: Profile): Promise<string | undefined> {
  for (const name of needs) {
    if ((await findProgram(name)) !== undefined) continue;
    progress(`${name} is not installed: run .ci/install`);
    return undefined;
  }
  return program === undefined ? process.execPath : await findProgram(program);
}

/** Starts a contender and waits until it responds; undefined if its program is not installed. */
export async function startContender(
  name: ContenderName,
  before: Before,
  { secure = false, settings = {}, profileFolder, wrapper, lay }: StartOptions,
): Promise<Contender | undefined> {
  const profile = profileOf(name, before);
  const program = await programOf(profile);
  if (program === undefined) {
    return undefined;
  }
  // TMPDIR selects the folder: point it at the disk to be measured.
  const folder = await mkdtemp(join(tmpdir(), `gantry-bench-${name}-`));
  leftovers.add(folder);
  const dataFolder = join(folder, "data");
  await mkdir(dataFolder);
  const remove = async () => {
    await removeFolder(folder);
    leftovers.delete(folder);
  };
  try {
    lay?.(name, dataFolder);
    const { ca, tls } = secure ? await makeCertificate(folder) : { ca: undefined, tls: undefined };
    const place: Place = {
      program: wrapper?.wrap(program, folder) ?? program,
      folder,
      dataFolder,
      tls,
      settings,
      profileFolder,
    };
    let started = await profile.start(place);
    return {
      name,
      get port() {
        return started.port;
      },
      ca,
      get pid() {
        return started.running.pid;
      },
      get nodes() {
        return [started, ...(started.others ?? [])].map(({ running, port }) => ({ pid: running.pid, port }));
      },
      counts: async () => await started.counts?.(),
      dataFolder,
      complaints: () =>
        [started, ...(started.others ?? [])].map(({ running }) => running.complaints()).join(""),
      assertAlive: () => {
        for (const { running } of [started, ...(started.others ?? [])]) running.assertAlive();
      },
      restart: async () => {
        await started.running[Symbol.asyncDispose]();
        started = await profile.start(place);
        return started.running.startedAt;
      },
      [Symbol.asyncDispose]: async () => {
        await started.running[Symbol.asyncDispose]();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A certificate of a separate CA, with the kind of key that makes handshakes cheapest. */
async function makeCertificate(folder: string): Promise<{ ca: string; tls: ServerTls }> {
  const by = await issueCertificate({ name: "bench CA", authority: true });
  const { pem, keyPem } = await issueCertificate({ name: "registry", by, addresses: ["127.0.0.1"] });
  const tls = { certificate: join(folder, "server.pem"), key: join(folder, "server.key") };
  await writeFile(tls.certificate, pem);
  await writeFile(tls.key, keyPem);
  return { ca: by.pem, tls };
}
