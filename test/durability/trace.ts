// The server under strace: its system calls, with their times, between two moments of a test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { needs } from "../clients/support.js";
import { cli } from "../support/cli.js";

const startMillisecondsMax = 30_000;

/** The reason why the tests cannot run here, for node:test. */
export const skip = needs("strace");

const traced =
  "fsync,fdatasync,sync_file_range,syncfs,link,linkat,rename,renameat,renameat2,openat,close,write,writev,sendto";

export interface Call {
  readonly name: string;
  readonly parameters: string;
  /** The path of the first parameter from `strace -y`, if it is an open file. */
  readonly path: string | undefined;
}

export interface TracedServer extends AsyncDisposable {
  readonly url: string;
  readonly root: string;
  /** Returns the calls since the last query, in the order in which they ended. */
  calls(): Promise<readonly Call[]>;
}

/** Starts the server with its own folder. */
export async function startTraced(settings: Readonly<Record<string, string>> = {}): Promise<TracedServer> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-trace-"));
  const trace = join(folder, "trace");
  const root = join(folder, "data");
  const child = spawn(
    "strace",
    ["-f", "-y", "-qq", "-s", "64", "-e", `trace=${traced}`, "-o", trace, process.execPath, cli, "serve"],
    {
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: "127.0.0.1:0",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        ...settings,
      },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const end = Date.now() + startMillisecondsMax;
  let url: string | undefined;
  while (url === undefined) {
    url = /ready on (\S+),/.exec(output)?.[1];
    if (Date.now() > end || child.exitCode !== null)
      throw new Error(`the traced server did not start: ${output}`);
    await pause(20);
  }
  let seen = 0;
  return {
    url,
    root,
    calls: async () => {
      const lines = (await readFile(trace, "utf8")).split("\n").slice(0, -1);
      const calls = parse(lines).slice(seen);
      seen += calls.length;
      return calls;
    },
    [Symbol.asyncDispose]: async () => {
      // strace does not forward the signal: the server is its only child.
      const server = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
      process.kill(Number(server.trim().split(" ")[0]), "SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A call interrupted by another thread has two lines; it counts where it ends. */
function parse(lines: readonly string[]): Call[] {
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of lines) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    if (unfinished !== null) {
      begun.set(thread, unfinished[1] ?? "");
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const whole = resumed === null ? rest : `${begun.get(thread) ?? ""}${resumed[1] ?? ""}`;
    const [, name, parameters] = /^(\w+)\((.*)$/.exec(whole) ?? [];
    if (name === undefined || parameters === undefined) continue;
    calls.push({ name, parameters, path: /^\d+<([^>]*)>/.exec(parameters)?.[1] });
  }
  return calls;
}
