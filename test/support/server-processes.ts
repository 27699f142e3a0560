/** The processes that a server of several processes has started. */
import { readFile } from "node:fs/promises";
import { Client } from "./client.js";
import { newName } from "./content.js";
import type { RunningGantry } from "./gantry.js";
import { until } from "./until.js";

/** Other children, such as `sync`, are short-lived. */
const word = "__process";

export async function memberProcesses(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "latin1");
  const members: number[] = [];
  for (const child of children.trim().split(" ").filter(Boolean)) {
    const command = await readFile(`/proc/${child}/cmdline`, "latin1").catch(() => "");
    if (command.split("\0").includes(word)) members.push(Number(child));
  }
  return members;
}

/** Returns a client with one connection, to the process with that number. The server's log is JSON. */
export async function clientOf(server: RunningGantry, number: number): Promise<Client> {
  for (;;) {
    const client = new Client(server.url, 1);
    const name = newName();
    await client.head(`/v2/${name}/tags/list`);
    let line: string | undefined;
    await until("its request is logged", () => {
      line = server
        .log()
        .split("\n")
        .find((one) => one.includes(name));
      return line !== undefined;
    });
    const { process } = JSON.parse(line ?? "") as { process: string };
    if (process === String(number)) return client;
  }
}
