// Nodes of a registry over an S3 server: processes on fixed loopback ports, which tests kill, freeze and start again.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli } from "./cli.js";
import { Daemon } from "./daemon.js";
import { freePort } from "./free-port.js";
import type { GantrySettings } from "./gantry.js";
import type { S3Server } from "./s3-server.js";

export interface NodeOptions {
  /** Where the node finds the S3 server, such as a relay's address. By default, the server's own. */
  readonly endpoint?: string;
  /** The engine that several nodes share, as `host:port`. */
  readonly redis?: string;
  readonly settings?: GantrySettings;
}

export interface S3Node extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** `127.0.0.1:PORT`, as in an image's name. */
  readonly host: string;
  readonly port: number;
  /** The process, while it runs. */
  readonly pid: number | undefined;
  /** The end of what it has printed. */
  log(): string;
  /** Freezes the process. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>;
  /** Ends it with SIGTERM. Throws if it hangs or fails. */
  end(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Ends it like `end`, and removes its files. */
  stop(): Promise<void>;
}

/** Settings that make a registry use `server`'s bucket. */
export function bucketSettings(server: S3Server, endpoint = server.endpoint): GantrySettings {
  return {
    REGISTRY_STORAGE_S3_BUCKET: server.bucket,
    REGISTRY_STORAGE_S3_REGION: server.region,
    REGISTRY_STORAGE_S3_REGIONENDPOINT: endpoint,
    REGISTRY_STORAGE_S3_ACCESSKEY: server.accessKey,
    REGISTRY_STORAGE_S3_SECRETKEY: server.secretKey,
  };
}

/** Writes a settings file of a registry that uses `server`'s bucket. Returns its path. */
export async function bucketFile(server: S3Server, file: string, rootdirectory = ""): Promise<string> {
  const { bucket, region, endpoint, accessKey, secretKey } = server;
  const place = { bucket, region, regionendpoint: endpoint, rootdirectory };
  const s3 = { ...place, accesskey: accessKey, secretkey: secretKey };
  await writeFile(file, JSON.stringify({ version: "0.1", storage: { s3 }, http: { addr: "127.0.0.1:0" } }));
  return file;
}

export async function startS3Node(server: S3Server, options: NodeOptions = {}): Promise<S3Node> {
  const node = await makeS3Node(server, options);
  try {
    await node.start();
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
}

/** Returns a node that does not run yet. */
export async function makeS3Node(server: S3Server, options: NodeOptions = {}): Promise<S3Node> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-node-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const daemon = new Daemon({
    program: process.execPath,
    args: [cli, "serve"],
    env: {
      REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
      REGISTRY_STORAGE_S3_SCRATCHDIRECTORY: folder,
      ...bucketSettings(server, options.endpoint),
      ...(options.redis !== undefined && { REGISTRY_REDIS_ADDRS: JSON.stringify([options.redis]) }),
      ...options.settings,
    },
    probe: () => ready(url),
  });
  const node: S3Node = {
    url,
    host: `127.0.0.1:${port}`,
    port,
    get pid() {
      return daemon.pid;
    },
    log: () => daemon.log,
    pause: () => daemon.pause(),
    resume: () => daemon.resume(),
    kill: () => daemon.kill(),
    end: () => daemon.end(),
    start: () => daemon.start(),
    async stop() {
      try {
        await daemon.end();
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    [Symbol.asyncDispose]: () => node.stop(),
  };
  return node;
}

async function ready(url: string): Promise<void> {
  const { status } = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) });
  if (status !== 200) throw new Error(`${url}/readyz answered ${status}`);
}
