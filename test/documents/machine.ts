/** A separate machine for a page's commands, see `machine.sh`: they run there as written, in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { searchPath } from "../clients/support.js";
import { checkout } from "../packaging/pack.js";
import { cli } from "../support/cli.js";

/** The slowest is an installation by npm, half a minute on two cores. */
const scriptMillisecondsMax = 180_000;
const outputCharactersMax = 65_536;

/** Adds this build's `gantry` to a folder of programs. */
export async function provideGantry(bin: string): Promise<void> {
  const script = `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`;
  await writeFile(join(bin, "gantry"), script, { mode: 0o755 });
}

export interface MachineOptions {
  /** The folder for everything that it writes to disk. */
  readonly folder: string;
  /** The initial directory of its commands. */
  readonly cwd: string;
  /** A folder of programs that take precedence over the machine's. */
  readonly bin: string;
  readonly variables: Readonly<Record<string, string>>;
}

export class Machine implements AsyncDisposable {
  #output = "";
  #scripts = 0;
  readonly #done: AsyncIterator<string>;
  readonly #ended: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => {
        this.#output = (this.#output + String(chunk)).slice(-outputCharactersMax);
      });
    this.#done = createInterface({ input: child.stdio[4] as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    // Scripts may be written to one that has ended; the missing response reports that.
    child.stdio[3]?.on("error", () => {});
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  static async start({ folder, cwd, bin, variables }: MachineOptions): Promise<Machine> {
    const changes = join(folder, "changes");
    await mkdir(changes);
    const namespaces = [
      "--net",
      "--mount",
      "--propagation=private",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
    ];
    const script = join(checkout, "test", "documents", "machine.sh");
    const child = spawn("unshare", [...namespaces, "--", script, changes], {
      cwd,
      env: { ...process.env, PATH: `${bin}:${searchPath}`, ...variables },
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
    });
    return new Machine(child, folder);
  }

  /** Runs commands to their end, and returns their output. Their variables and directory persist. */
  run(commands: string): Promise<string> {
    return this.#do("run", commands);
  }

  /** Runs commands, the last of which is a server, and resolves when it is ready. It ends when the next one starts. */
  serve(commands: string): Promise<string> {
    return this.#do("serve", commands);
  }

  async #do(what: "run" | "serve", commands: string): Promise<string> {
    const script = join(this.folder, `${this.#scripts++}.sh`);
    await writeFile(script, commands);
    this.#output = "";
    (this.child.stdio[3] as Writable).write(`${what} ${script}\n`);
    const alarm = setTimeout(() => this.child.kill("SIGKILL"), scriptMillisecondsMax);
    const { value } = await this.#done.next();
    clearTimeout(alarm);
    if (value === script) return this.#output;
    await this.#ended;
    throw new Error(
      `${commands}\nended with ${this.child.exitCode ?? this.child.signalCode}\n${this.#output}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (this.child.stdio[3] as Writable).end();
    await this.#ended;
  }
}
