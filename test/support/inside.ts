// Runs the program within the test's process, for tests that are not about the process: many times faster than starting one.
// Its output is collected. The program here is the compiled modules, also where GANTRY_CLI names an installed package, which has
// only the bundle of them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { run } from "../../src/cli/run.js";
import {
  endOf,
  type GantrySettings,
  oneProcess,
  type RunningGantry,
  readyLine,
  startMillisecondsMax,
  stopMillisecondsMax,
  within,
} from "./gantry.js";

class CollectedOutput extends Writable {
  readonly #onText: (text: string) => void;

  constructor(onText: (text: string) => void) {
    super({ decodeStrings: false });
    this.#onText = onText;
  }

  override _write(chunk: string | Buffer, _: BufferEncoding, done: () => void): void {
    this.#onText(chunk.toString());
    done();
  }
}

/** Each thread takes about as long to start as the rest of a server within a process. */
export const oneWorker = { REGISTRY_UPLOADS_WORKERS: "1" } as const;

export interface InsideRun {
  /** Ends the command, like SIGTERM ends a process. */
  interrupt(): void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
}

export interface InsideOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly onOutput: (text: string) => void;
  readonly onError: (text: string) => void;
}

/** Runs `gantry` with these words in this process's environment and that of `env`. */
export function runInside(words: readonly string[], { env, onOutput, onError }: InsideOptions): InsideRun {
  const interrupts = new Set<() => void>();
  const ended = run({
    words,
    // The others would be processes of their own.
    env: { ...process.env, ...oneProcess, ...env },
    stdout: new CollectedOutput(onOutput),
    stderr: new CollectedOutput(onError),
    onInterrupt: (interrupt) => {
      interrupts.add(interrupt);
      return () => interrupts.delete(interrupt);
    },
  });
  return {
    interrupt: () => {
      for (const interrupt of interrupts) interrupt();
    },
    ended,
  };
}

/**
 * Starts a server within this process, like `startGantry` starts a separate one. Values that Node reads once per process are
 * those of the test: `TMPDIR`, `UV_THREADPOOL_SIZE`, and the maximum size of request headers (`limits.headerbytes`).
 */
export async function startInside(settings: GantrySettings = {}, root?: string): Promise<RunningGantry> {
  const folder = root ?? (await mkdtemp(join(tmpdir(), "gantry-test-")));
  const server = new InsideServer(folder, settings, root === undefined);
  try {
    await server.ready();
  } catch (cause) {
    await server.remove();
    throw new Error(`the server did not start\n${server.log()}`, { cause });
  }
  return server;
}

class InsideServer implements RunningGantry {
  url = "";
  #log = "";
  #line = "";
  #stopped = false;
  #exitCode: number | undefined;
  #onReady: (url: string) => void = () => {};
  readonly #ready = new Promise<string>((resolve) => {
    this.#onReady = resolve;
  });
  readonly #run: InsideRun;

  constructor(
    readonly root: string,
    settings: GantrySettings,
    readonly ownsRoot: boolean,
  ) {
    this.#run = runInside(["serve"], {
      env: {
        REGISTRY_HTTP_ADDR: "127.0.0.1:0",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        ...oneWorker,
        ...settings,
      },
      onOutput: (text) => this.#look(text),
      onError: (text) => this.#keep(text),
    });
    void this.#run.ended.then((code) => {
      this.#exitCode = code;
    });
  }

  get host(): string {
    return new URL(this.url).host;
  }

  log(): string {
    return this.#log;
  }

  async ready(): Promise<void> {
    const died = this.#run.ended.then((code): never => {
      throw new Error(`the server ended with ${code}`);
    });
    this.url = await within(
      startMillisecondsMax,
      "reporting that it is ready",
      Promise.race([this.#ready, died]),
    );
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const alive = this.#exitCode === undefined;
    this.#run.interrupt();
    const code = await within(stopMillisecondsMax, "ending", this.#run.ended);
    await this.remove();
    if (alive && code === 0) return;
    throw new Error(`the server ${alive ? "ended" : "had ended by itself"} with ${code}\n${this.#log}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async remove(): Promise<void> {
    if (this.ownsRoot) await rm(this.root, { recursive: true, force: true });
  }

  /** Looks for the ready line in standard output until there is one. */
  #look(text: string): void {
    this.#keep(text);
    if (this.url !== "") return;
    this.#line += text;
    for (const line of this.#line.split("\n").slice(0, -1)) {
      const url = readyLine.exec(line)?.[1];
      if (url !== undefined) this.#onReady(url);
    }
  }

  #keep(text: string): void {
    this.#log = endOf(this.#log + text);
  }
}
