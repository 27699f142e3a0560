/**
 * A server to be killed: in its own process group, so that nothing of it survives the kill. Knows the command line and the
 * ready line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cli } from "../support/cli.js";
import { memberProcesses } from "../support/server-processes.js";

/** Under strace on a loaded machine, and with a store to scan. */
const startMillisecondsMax = 60_000;

/** Maximum log output kept. */
const logCharactersMax = 16_384;

export class ServerProcess {
  #log = "";
  readonly ready: Promise<string>;
  readonly #ended: Promise<unknown>;
  readonly #killAtExit = () => this.signal("SIGKILL");

  /** Starts it with the words of `wrapper` in front, such as a tracer's. */
  constructor(root: string, wrapper: readonly string[] = [], processes = 1) {
    const [command = process.execPath, ...rest] = [...wrapper, process.execPath, cli, "serve"];
    this.child = spawn(command, rest, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: "127.0.0.1:0",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        // Unreferenced content stays: the ledger knows no collector.
        REGISTRY_GC_INTERVAL: "0s",
        REGISTRY_UPLOADS_WORKERS: "2",
        REGISTRY_HTTP_PROCESSES: String(processes),
        // So that large blobs are written in both ways: through the page cache, and past it.
        REGISTRY_UPLOADS_CACHEDMIB: "1",
        // So that kills and power failures hit checkpoints, too.
        REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: "2s",
        // Invisible to a tracer.
        UV_USE_IO_URING: "0",
      },
    });
    process.once("exit", this.#killAtExit);
    this.#ended = once(this.child, "close");
    this.ready = this.#untilReady();
    // A caller that kills it before it is ready does not wait for that.
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

  /** Kills one of the processes that share the port with the first one, if there is any. */
  async killMember(choose: (pids: readonly number[]) => number | undefined): Promise<void> {
    const { pid, exitCode, signalCode } = this.child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const member = choose(await memberProcesses(pid).catch(() => []));
    if (member !== undefined) process.kill(member, "SIGKILL");
  }

  signal(name: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, name);
    } catch {
      // It has ended by itself; waiting callers get the reason.
    }
  }

  /** Resolves when its whole process group has ended. */
  async ended(): Promise<void> {
    await this.#ended;
    process.removeListener("exit", this.#killAtExit);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }
}
