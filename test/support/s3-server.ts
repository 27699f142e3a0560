// An S3 server on a loopback port, with a bucket and its own credentials: versitygw over a folder, or MinIO. Tests stop,
// freeze and kill it, start it again on the same port and data, and count the requests that it has answered.

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "../../src/storage/s3/client.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import { needs } from "../clients/support.js";
import { Daemon } from "./daemon.js";
import { freePort } from "./free-port.js";
import { AccessLog, AuditLog, type S3Request } from "./s3-requests.js";

export type S3Engine = "versitygw" | "minio";

/** For a test's `skip`. */
export const needsVersitygw = needs("versitygw");
/** For a test's `skip`. `.ci/install --minio` builds it. */
export const needsMinio = needs("minio");

export interface S3Server extends AsyncDisposable {
  readonly engine: S3Engine;
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The server's data, in its own layout. */
  readonly folder: string;
  /** The process, while it runs. */
  readonly pid: number | undefined;
  /** What it answered since its start or the last `resetRequests`, in order. */
  requests(): Promise<readonly S3Request[]>;
  resetRequests(): Promise<void>;
  /** Returns a client of the bucket. `prefix` is empty or ends in a slash. */
  client(prefix?: string): S3Client;
  /** Freezes the process: connections stay open, and nothing is answered. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the process with SIGKILL. The data stays. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** Ends it and removes the data. */
  stop(): Promise<void>;
}

const region = "us-east-1";
const bucket = "gantry";

/** A client of a test sends few requests at once, and none that takes long. */
const clientLimits = { connections: 8, attemptSeconds: 30, requestSeconds: 30 } as const;

/** `mebibytes` gives the data a file system of its own, of that size, which a test can fill. */
export async function startS3Server(engine: S3Engine = "versitygw", mebibytes?: number): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-s3-"));
  const data = join(folder, "data");
  await mkdir(data);
  if (mebibytes !== undefined) mountSmall(data, mebibytes);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const accessKey = randomBytes(10).toString("hex");
  const secretKey = randomBytes(20).toString("hex");
  const log = engine === "minio" ? await AuditLog.open(endpoint) : new AccessLog(join(folder, "access.log"));
  const address = `127.0.0.1:${port}`;
  const daemon = new Daemon(
    log instanceof AuditLog
      ? minio({ address, accessKey, secretKey, data, audit: log.url })
      : versitygw({ address, accessKey, secretKey, data, accessLog: log.file }),
  );
  const clients: S3Client[] = [];
  const client = (prefix = ""): S3Client => {
    const place = { endpoint, region, bucket, prefix, forcePathStyle: true, skipVerify: false };
    const credentials = async () => ({ accessKeyId: accessKey, secretAccessKey: secretKey });
    const made = new S3Client(new S3Requests({ ...place, objectHeaders: {} }, clientLimits, credentials));
    clients.push(made);
    return made;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map((made) => made.close()));
    await daemon.kill();
    await log.close();
    if (mebibytes !== undefined) execFileSync("umount", ["--lazy", data]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await daemon.start();
    await client().requests.send({ method: "PUT", key: "", expected: [200] });
    await log.reset();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    engine,
    endpoint,
    port,
    region,
    bucket,
    accessKey,
    secretKey,
    folder: data,
    get pid() {
      return daemon.pid;
    },
    requests: () => log.requests(),
    resetRequests: () => log.reset(),
    client,
    pause: () => daemon.pause(),
    resume: () => daemon.resume(),
    kill: () => daemon.kill(),
    start: () => daemon.start(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** For a test's `skip`. */
export function needsMounts(): string | false {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", tmpdir()], { stdio: "ignore" });
    return false;
  } catch {
    return "no small file system can be mounted here";
  }
}

function mountSmall(folder: string, mebibytes: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder], { stdio: "ignore" });
}

interface EngineOptions {
  readonly address: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly data: string;
}

function versitygw(options: EngineOptions & { readonly accessLog: string }) {
  const { address, accessKey, secretKey, data, accessLog } = options;
  return {
    program: "versitygw",
    // Without --keep-alive it closes each connection after its request.
    args: [
      "--port",
      address,
      "--quiet",
      "--keep-alive",
      "--health",
      "/health",
      "--access-log",
      accessLog,
      "posix",
      data,
    ],
    env: { ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey, VGW_REGION: region },
    probe: () => answers(`http://${address}/health`),
  };
}

function minio(options: EngineOptions & { readonly audit: string }) {
  const { address, accessKey, secretKey, data, audit } = options;
  return {
    program: "minio",
    args: ["server", "--quiet", "--address", address, data],
    env: {
      MINIO_ROOT_USER: accessKey,
      MINIO_ROOT_PASSWORD: secretKey,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
      MINIO_AUDIT_WEBHOOK_ENABLE_test: "on",
      MINIO_AUDIT_WEBHOOK_ENDPOINT_test: audit,
      // A folder of its own: it would write ~/.minio otherwise.
      HOME: data,
    },
    probe: () => answers(`http://${address}/minio/health/ready`),
  };
}

async function answers(url: string): Promise<void> {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  if (status !== 200) throw new Error(`${url} answered ${status}`);
}
