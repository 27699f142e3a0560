/** The processes that a server of several processes has started. */
import { readFile } from "node:fs/promises";

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
