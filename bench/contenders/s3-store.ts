/** An S3 server of its own for each contender: versitygw over a folder, if asked behind a line with a latency. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startRelay } from "../../test/support/relay.js";
import { findProgram, freePort, startProcess } from "../processes.js";
import { answering, type Started, whenReady } from "./profile.js";

/** A round trip to a store in another availability zone or city. */
export const farMilliseconds = 20;

export const bucket = "bench";
export const accessKey = "bench-access-key";
export const secretKey = "bench-secret-key";

export interface S3Store extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
}

/** Rejects if versitygw is not installed. */
export async function startS3Store(dataFolder: string, isFar: boolean): Promise<S3Store> {
  const program = await findProgram("versitygw");
  if (program === undefined) throw new Error("versitygw is not installed: run .ci/install");
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
    [Symbol.asyncDispose]: async () => {
      await relay?.stop();
      await running[Symbol.asyncDispose]();
    },
  };
}

/** Starts a registry on a store of its own, which ends with it. The store's CPU is not the registry's. */
export async function onS3Store(
  dataFolder: string,
  isFar: boolean,
  start: (store: S3Store) => Promise<Started>,
): Promise<Started> {
  const store = await startS3Store(dataFolder, isFar);
  try {
    const { running, port } = await start(store);
    const end = async () => {
      await running[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    };
    return { running: { ...running, [Symbol.asyncDispose]: end }, port };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
