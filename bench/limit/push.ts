/**
 * The limit for pushes: receives, hashes, writes and syncs, and responds with 201 when file and folder are on stable
 * storage. It checks only the digest, looks nothing up, and keeps nothing in memory. Each thread has a socket, a hash and a
 * file; the kernel distributes the connections. Run as `push.js FOLDER`.
 */

import uws from "uWebSockets.js";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { freePort } from "../processes.js";
import { Folder } from "./folder.js";
import { routePushes } from "./push-routes.js";

interface ThreadSetup {
  readonly folder: string;
  /** The port of all threads. */
  readonly port: number;
}

if (isMainThread) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error("push.js FOLDER");
  const port = await freePort();
  for (let thread = 0; thread < availableParallelism(); thread++) await startThread({ folder, port });
  process.stdout.write(`ready on http://127.0.0.1:${port}\n`);
} else {
  listen(workerData);
}

/** Resolves when it listens. */
async function startThread(setup: ThreadSetup): Promise<void> {
  await once(new Worker(new URL(import.meta.url), { workerData: setup }), "message");
}

function listen({ folder, port }: ThreadSetup): void {
  const app = uws.App();
  routePushes(app, new Folder(folder));
  app.listen("127.0.0.1", port, (socket) => {
    if (socket === false) throw new Error(`cannot listen on ${port}`);
    parentPort?.postMessage("listening");
  });
}
