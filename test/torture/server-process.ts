/**
 * A server to be killed: in a process group of its own, so that nothing of it outlives the kill. Knows the
 * command line and the ready line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cli } from "../support/cli.js";

/** Under strace on a loaded machine, and with a store to look through. */
const startMillisecondsMax = 60_000;

/** What of the server's log is kept. */
const logCharactersMax = 16_384;

export class ServerProcess {
  #log = "";
  readonly ready: Promise<string>;
  readonly #ended: Promise<unknown>;
  readonly #killAtExit = () => this.signal("SIGKILL");

  /** Starts it, behind the words of `wrapper`, such as a tracer's. */
  constructor(root: string, wrapper: readonly string[] = []) {
    const [command = process.execPath, ...rest] = [...wrapper, process.execPath, cli, "serve"];
    this.child = spawn(command, rest, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: "127.0.0.1:0",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        // What no manifest names stays: the ledger knows of no collector.
        REGISTRY_GC_INTERVAL: "0s",
        REGISTRY_UPLOADS_WORKERS: "2",
        // So that large blobs are written on both ways: through the page cache, and past it.
        REGISTRY_UPLOADS_CACHEDMIB: "1",
        // Seen by no tracer.
        UV_USE_IO_URING: "0",
      },
    });
    process.once("exit", this.#killAtExit);
    this.#ended = once(this.child, "close");
    this.ready = this.#untilReady();
    // Whoever kills it before it is ready does not wait for that.
    this.ready.catch(() => {});
  }

  readonly child: ChildProcess;

  get log(): string {
    return this.#log;
  }

  async #untilReady(): Promise<string> {
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("invariant broken: the output is piped");
    stderr.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    const said = new Promise<string>((resolve) => {
      createInterface({ input: stdout }).on("line", (line) => {
        const url = /^gantry ready on (\S+),/.exec(line)?.[1];
        if (url !== undefined) resolve(url);
      });
    });
    const failed = new Promise<never>((_, reject) => {
      const fail = (how: string) => reject(new Error(`the server ${how} before it was ready\n${this.#log}`));
      const alarm = setTimeout(() => fail("hung"), startMillisecondsMax);
      alarm.unref();
      void this.#ended.then(() => {
        clearTimeout(alarm);
        fail("ended");
      });
      void said.then(() => clearTimeout(alarm));
    });
    return Promise.race([said, failed]);
  }

  #keep(text: string): void {
    this.#log = (this.#log + text).slice(-logCharactersMax);
  }

  signal(name: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, name);
    } catch {
      // It has just ended by itself; whoever waits for it is told how.
    }
  }

  /** Resolves when all of it has gone. */
  async ended(): Promise<void> {
    await this.#ended;
    process.removeListener("exit", this.#killAtExit);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }
}
