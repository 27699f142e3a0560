// A server program of a test: freezes, dies and starts again with the same arguments, and ends with the test's process.

import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { searchPath } from "../clients/support.js";

/** These programs start within a second, but a node waits 30 s for its engine. */
const startMillisecondsMax = 60_000;
/** A program that has not ended by then, after SIGTERM, counts as hung. */
const endMillisecondsMax = 45_000;
const logCharactersMax = 16_384;

export interface DaemonOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Resolves once the program serves. Called again until then. */
  readonly probe: () => Promise<unknown>;
}

export class Daemon {
  #running: { readonly child: ChildProcess; readonly ended: Promise<void> } | undefined;
  #log = "";
  readonly #killAtExit = () => void this.#running?.child.kill("SIGKILL");

  constructor(readonly options: DaemonOptions) {}

  /** The end of what it has printed. */
  get log(): string {
    return this.#log;
  }

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Starts the program, if it does not run, and resolves when it serves. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { program, args, env, cwd, probe } = this.options;
    const child = spawn(program, args, {
      env: { ...process.env, PATH: searchPath, ...env },
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    const ended = new Promise<void>((resolve) => {
      child.once("close", () => resolve());
      child.once("error", (error) => {
        this.#keep(String(error));
        resolve();
      });
    });
    this.#running = { child, ended };
    process.once("exit", this.#killAtExit);
    const deadline = Date.now() + startMillisecondsMax;
    for (;;) {
      try {
        await probe();
        return;
      } catch (cause) {
        const dead = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
        if (!dead && Date.now() < deadline) {
          await sleep(20);
          continue;
        }
        await this.kill();
        throw new Error(`${program} did not start\n${this.#log}`, { cause });
      }
    }
  }

  /** Freezes the process: its connections stay open, and nothing is answered. Resolves once all its threads stand. */
  async pause(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    this.#running?.child.kill("SIGSTOP");
    const tasks = `/proc/${pid}/task`;
    for (;;) {
      const stats = await Promise.all(
        (await readdir(tasks)).map((task) => readFile(`${tasks}/${task}/stat`, "utf8")),
      );
      if (stats.every((text) => /\) T /.test(text))) return;
      await sleep(5);
    }
  }

  resume(): void {
    this.#running?.child.kill("SIGCONT");
  }

  /** Ends the process with SIGTERM. Throws unless it ends in time, and with 0. */
  async end(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { child, ended } = running;
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(endMillisecondsMax, undefined, { ref: false })]);
    const how = child.exitCode ?? child.signalCode ?? "no end";
    await this.kill();
    if (how !== 0) throw new Error(`${this.options.program} answered SIGTERM with ${how}\n${this.#log}`);
  }

  /** Ends the process with SIGKILL. */
  async kill(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    process.removeListener("exit", this.#killAtExit);
    running.child.kill("SIGKILL");
    await running.ended;
  }

  #keep(text: string): void {
    this.#log = (this.#log + text).slice(-logCharactersMax);
  }
}
