/** The programs of bench/limit: the machine's maximum if a registry cost nothing. */
import { fileURLToPath } from "node:url";
import { outputOf, startProcess } from "../processes.js";
import { type Place, type Profile, printedPort, type Started, whenReady } from "./profile.js";

export const pushLimit: Profile = {
  program: undefined,
  durability: "file and folder synced before the 201",
  configuration: "only receive, SHA-256, write and sync",
  version,
  start: (place) => start(place, "push.js"),
};

export const getLimit: Profile = {
  program: undefined,
  durability: "stores nothing",
  configuration: "uWebSockets.js that only responds from memory",
  version,
  start: (place) => start(place, "get.js"),
};

async function version(program: string): Promise<string> {
  return `Node ${await outputOf(program, ["--version"])}`;
}

/** Compiled, this file is dist/bench/contenders/limits.js. */
async function start({ program, dataFolder }: Place, file: string): Promise<Started> {
  const script = fileURLToPath(new URL(`../limit/${file}`, import.meta.url));
  const running = startProcess(program, [script, dataFolder], { UV_THREADPOOL_SIZE: "16" });
  return await whenReady(running, printedPort(running));
}
