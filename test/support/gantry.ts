/**
 * Starts the real server for a test: a process on a free loopback port with its own folder. The caller gets a handle that
 * ends it; a server that fails by itself fails the test that owns it. Knows the command line and the ready line, and nothing
 * of src/.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cli } from "./cli.js";

export const readyLine = /^gantry ready on (https?:\/\/\S+), data in (?:\/|the bucket )/;

/** Starting opens files and worker threads; a loaded CI machine of two cores needs far less than this. */
export const startMillisecondsMax = 20_000;
/** A stop drains running requests; after this time the server counts as hung and is killed. */
export const stopMillisecondsMax = 20_000;
/** Maximum log output kept for an error message. */
const logCharactersMax = 16_384;

/** Returns the last lines of a log, none of which is cut. */
export function endOf(log: string): string {
  if (log.length <= logCharactersMax) return log;
  const cut = log.slice(-logCharactersMax);
  return cut.slice(cut.indexOf("\n") + 1);
}

/** Environment variables of the server, such as REGISTRY_STORAGE_DELETE_ENABLED. */
export type GantrySettings = Readonly<Record<string, string>>;

/** For a test of what each process has for itself, such as a cache, or of the time without others' reports. */
export const oneProcess: GantrySettings = { REGISTRY_HTTP_PROCESSES: "1" };

export interface RunningGantry extends AsyncDisposable {
  /** "http://127.0.0.1:PORT" */
  readonly url: string;
  /** "127.0.0.1:PORT", as in an image's name. */
  readonly host: string;
  /** The server's data folder. */
  readonly root: string;
  /** The end of the server's output on stdout and stderr. */
  log(): string;
  /** Ends the server with SIGTERM and removes its folder. Throws if it had died or does not exit with code 0. */
  stop(): Promise<void>;
}

/** A server in its own process. */
export interface Gantry extends RunningGantry {
  readonly pid: number;
  /** Ends the server with SIGKILL, like a power failure, and leaves the folder. */
  kill(): Promise<void>;
}

/**
 * Resolves when the server is ready. With `root`, the server works on that folder and leaves it, so that a test can start a
 * second server on it. `command` is the program that receives "serve", with its parameters.
 */
export async function startGantry(
  settings: GantrySettings = {},
  root?: string,
  command: readonly [program: string, ...parameters: string[]] = [process.execPath, cli],
): Promise<Gantry> {
  const folder = root ?? (await mkdtemp(join(tmpdir(), "gantry-test-")));
  const [program, ...parameters] = command;
  const child = spawn(program, [...parameters, "serve"], {
    env: {
      ...process.env,
      REGISTRY_HTTP_ADDR: "127.0.0.1:0",
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: folder,
      // As many on each machine. Most tests also hold with several, which the variable chooses.
      REGISTRY_HTTP_PROCESSES: process.env.REGISTRY_HTTP_PROCESSES ?? "1",
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new GantryProcess(child, folder, root === undefined);
  try {
    await server.ready();
  } catch (cause) {
    await server.kill();
    if (root === undefined) await rm(folder, { recursive: true, force: true });
    throw new Error(`the server did not start\n${server.log()}`, { cause });
  }
  return server;
}

class GantryProcess implements Gantry {
  url = "";
  #log = "";
  #killed = false;
  readonly #ended: Promise<void>;
  /** A test process that ends early must not leave a server behind. */
  readonly #killAtExit = () => void this.child.kill("SIGKILL");

  constructor(
    private readonly child: ChildProcess,
    readonly root: string,
    private readonly ownsRoot: boolean,
  ) {
    process.once("exit", this.#killAtExit);
    this.#ended = new Promise((resolve) => {
      child.once("close", () => resolve());
      child.once("error", (error) => {
        this.#keep(String(error));
        resolve();
      });
    });
    child.stderr?.on("data", (chunk) => this.#keep(String(chunk)));
  }

  get host(): string {
    return new URL(this.url).host;
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("the server has no process");
    return this.child.pid;
  }

  log(): string {
    return this.#log;
  }

  async ready(): Promise<void> {
    if (!this.child.stdout) throw new Error("the server has no standard output");
    const lines = createInterface({ input: this.child.stdout });
    const said = new Promise<string>((resolve) => {
      lines.on("line", (line) => {
        this.#keep(`${line}\n`);
        const url = readyLine.exec(line)?.[1];
        if (url !== undefined) resolve(url);
      });
    });
    const died = this.#ended.then((): never => {
      throw new Error(`the server ended with ${this.child.exitCode ?? this.child.signalCode}`);
    });
    this.url = await within(startMillisecondsMax, "reporting that it is ready", Promise.race([said, died]));
  }

  async stop(): Promise<void> {
    if (this.#killed) return this.#remove();
    const alive = this.child.exitCode === null && this.child.signalCode === null;
    if (alive) this.child.kill("SIGTERM");
    try {
      await within(stopMillisecondsMax, "ending after SIGTERM", this.#ended);
    } finally {
      await this.kill();
      await this.#remove();
    }
    if (alive && this.child.exitCode === 0) return;
    const how = `${alive ? "ended" : "had ended by itself"} with ${this.child.exitCode ?? this.child.signalCode}`;
    throw new Error(`the server ${how}\n${this.#log}`);
  }

  async kill(): Promise<void> {
    this.#killed = true;
    this.child.kill("SIGKILL");
    await this.#ended;
    process.removeListener("exit", this.#killAtExit);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #remove(): Promise<void> {
    if (this.ownsRoot) await rm(this.root, { recursive: true, force: true });
  }

  #keep(text: string): void {
    this.#log = endOf(this.#log + text);
  }
}

export function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let alarm: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    alarm = setTimeout(() => reject(new Error(`${what} took longer than ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(alarm));
}
