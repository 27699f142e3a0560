// A test's own proxy, which ends with the work that needs it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { searchPath, temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";

/** Connections of each client. */
const atOnce = 16;

const startsMax = 5;

type Clients<Ports extends readonly number[]> = { readonly [Port in keyof Ports]: Client };

/**
 * Starts the proxy with its settings in `file`, and passes `work` a client for each of its ports. In the command, `DIR` is
 * the folder of the file.
 */
export async function withProxy<const Ports extends readonly number[]>(
  command: readonly string[],
  config: string,
  file: string,
  ports: Ports,
  work: (clients: Clients<Ports>) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, file), config);
  const [program = "", ...parameters] = command;
  const start = () =>
    spawn(
      program,
      parameters.map((text) => text.replace("DIR", folder.path)),
      { cwd: folder.path, stdio: "ignore", env: { ...process.env, PATH: searchPath, HOME: folder.path } },
    );
  let child = start();
  try {
    const clients = ports.map((port) => new Client(`http://127.0.0.1:${port}`, atOnce));
    for (const client of clients) {
      for (let starts = 1; (await client.get("/livez").catch(() => undefined)) === undefined; ) {
        await sleep(50);
        if (child.exitCode === null) continue;
        // An outgoing connection of another test may have had one of the ports at that moment.
        if (starts++ === startsMax) throw new Error(`${program} ended with ${child.exitCode}`);
        await sleep(500);
        child = start();
      }
    }
    await work(clients as Clients<Ports>);
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  }
}
