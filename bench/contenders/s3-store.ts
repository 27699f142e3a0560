/** An S3 server of its own for each contender: versitygw over a folder, if asked behind a line with a latency. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { startRelay } from "../../test/support/relay.js";
import { findProgram, freePort, startProcess } from "../processes.js";
import { answering, type Started, whenReady } from "./profile.js";

/** A round trip to a store in another availability zone or city. */
export const farMilliseconds = 20;

/** For a profile's `needs`. */
export const storeProgram = "versitygw";

export const bucket = "bench";
export const accessKey = "bench-access-key";
export const secretKey = "bench-secret-key";

export interface S3Store extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** Returns the number of requests that it has answered. Only for a store that logs them. */
  requests(): Promise<number>;
}

export interface S3StoreOptions {
  /** Whether each round trip to it takes some time. */
  readonly isFar?: boolean;
  /** The file of its access log; without it there is none. */
  readonly accessLog?: string;
}

/** Rejects if versitygw is not installed. */
export async function startS3Store(
  dataFolder: string,
  { isFar = false, accessLog }: S3StoreOptions = {},
): Promise<S3Store> {
  const program = await findProgram(storeProgram);
  if (program === undefined) throw new Error(`${storeProgram} is not installed: run .ci/install`);
  await mkdir(join(dataFolder, bucket), { recursive: true });
  const own = await freePort();
  const { running } = await whenReady(
    startProcess(
      program,
      // Without the flag it closes the connection after each response, as no other store does.
      [
        "--keep-alive",
        "--quiet",
        "--access",
        accessKey,
        "--secret",
        secretKey,
        "--port",
        `127.0.0.1:${own}`,
        ...(accessLog === undefined ? [] : ["--access-log", accessLog]),
        "posix",
        dataFolder,
      ],
      {},
    ),
    () => answering(own),
  );
  const relay = isFar ? await startRelay(own, farMilliseconds) : undefined;
  return {
    endpoint: `http://127.0.0.1:${relay?.port ?? own}`,
    requests: async () => linesIn(accessLog),
    [Symbol.asyncDispose]: async () => {
      await relay?.stop();
      await running[Symbol.asyncDispose]();
    },
  };
}

/** versitygw writes a line before it sends the response. */
async function linesIn(accessLog: string | undefined): Promise<number> {
  if (accessLog === undefined) throw new Error("this store counts nothing");
  const newline = 0x0a;
  let lines = 0;
  for (const byte of await readFile(accessLog)) if (byte === newline) lines++;
  return lines;
}

/** Starts a registry on a store of its own, which ends with it. The store's CPU is not the registry's. */
export async function onS3Store(
  dataFolder: string,
  options: S3StoreOptions,
  start: (store: S3Store) => Promise<Started>,
): Promise<Started> {
  const store = await startS3Store(dataFolder, options);
  try {
    const { running, ...rest } = await start(store);
    const end = async () => {
      await running[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    };
    return { ...rest, running: { ...running, [Symbol.asyncDispose]: end } };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
