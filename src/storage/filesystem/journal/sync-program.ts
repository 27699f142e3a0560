/**
 * Runs coreutils' `sync -f` in a shell that stays. To start a program, the kernel copies the page tables of the process that
 * does: in the server, with hundreds of MB, that stopped the event loop for 5 % of the time while small images were pushed
 * (docs/decisions/0053).
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { assert } from "../../../lib/assert.js";
import { errorCode } from "../files.js";

/** Syncs for each line that it reads, and then writes the exit status behind the output of `sync`. */
const script = `while read -r line; do sync -f "$@" 2>&1; printf '\\n= %d\\n' $?; done`;
const answer = /^(.*)\n= (\d+)\n$/s;

/** Exit statuses by which a shell says that it could not run a program, or that a signal has ended it. */
const notRunMin = 126;
const signalMin = 129;

/**
 * `missing`: there is no such program, or it has no such option. `unknown`: it was killed, or could not be started now, for
 * want of a descriptor or of memory.
 */
export type SyncEnd =
  | { readonly end: "synced" | "missing" | "unknown" }
  | { readonly end: "failed"; readonly said: string };

export class SyncProgram {
  #shell: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #paths = "";
  #said = "";
  /** Ends the run. */
  #onEnd: ((end: SyncEnd) => void) | undefined;

  /** Syncs the file systems of the paths. One run at a time. Never rejects. */
  async run(paths: readonly string[]): Promise<SyncEnd> {
    assert(this.#onEnd === undefined, "one run at a time");
    if (paths.join("\0") !== this.#paths) await this.close();
    this.#paths = paths.join("\0");
    const ended = new Promise<SyncEnd>((resolve) => {
      this.#onEnd = resolve;
    });
    try {
      this.#shell ??= this.#start(paths);
      this.#shell?.stdin.write("\n");
    } catch {
      // Most failures to start it are events, and some are thrown.
      this.#end({ end: "unknown" });
    }
    return ended;
  }

  /** Returns `undefined` if it could not be started, and ends the run. */
  #start(paths: readonly string[]): ChildProcessByStdio<Writable, Readable, null> | undefined {
    const shell = spawn("sh", ["-c", script, "sh", ...paths], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, LC_ALL: "C" },
    });
    shell.on("error", (error) => this.#end({ end: errorCode(error) === "ENOENT" ? "missing" : "unknown" }));
    // Without a descriptor, it has no streams.
    if ((shell as Partial<typeof shell>).stdout === undefined) return undefined;
    shell.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
      const [all, said = "", status] = answer.exec(this.#said) ?? [];
      if (all !== undefined) this.#end(endOf(Number(status), said));
    });
    // It has ended, which is reported below.
    shell.stdin.on("error", () => {});
    shell.on("close", () => {
      this.#shell = undefined;
      this.#end({ end: "unknown" });
    });
    return shell;
  }

  #end(end: SyncEnd): void {
    this.#said = "";
    this.#onEnd?.(end);
    this.#onEnd = undefined;
  }

  /** Ends the shell, if it runs. No run may be going on. */
  async close(): Promise<void> {
    const shell = this.#shell;
    if (shell === undefined) return;
    shell.stdin.end();
    await once(shell, "close");
  }
}

function endOf(status: number, said: string): SyncEnd {
  if (status === 0) return { end: "synced" };
  if (status >= signalMin) return { end: "unknown" };
  if (status >= notRunMin || /^usage|(?:unrecognized|invalid|illegal) option/im.test(said))
    return { end: "missing" };
  return { end: "failed", said: said.trim() };
}
