/** Runs work in one of all processes. The hub knows which one, and passes on how far it is. */

import { RegistryError } from "../../domain/errors.js";
import { describeError } from "../../lib/describe-error.js";
import { Abandoned, type Reporter } from "../cluster.js";
import { MemoryOnce } from "../memory/once.js";
import type { Peer } from "./peer.js";

type OnNote = (note: string) => void;

/** Work of this process. */
class Run implements Reporter {
  #hasWatchers = false;
  last: string | undefined;

  constructor(
    /** Tells the callers in this process. */
    readonly local: Reporter,
    readonly send: OnNote,
  ) {}

  get isWatched(): boolean {
    return this.#hasWatchers || this.local.isWatched;
  }

  report(note: string): void {
    this.last = note;
    this.local.report(note);
    if (this.#hasWatchers) this.send(note);
  }

  watch(): void {
    if (this.#hasWatchers) return;
    this.#hasWatchers = true;
    if (this.last !== undefined) this.send(this.last);
  }
}

export class SocketOnce {
  readonly #local = new MemoryOnce();
  readonly #runs = new Map<string, Run>();
  readonly #listeners = new Map<string, OnNote>();

  constructor(readonly peer: Peer) {
    peer.handlers.on("watched", ({ key }) => {
      this.#runs.get(key)?.watch();
      return null;
    });
    peer.handlers.on("report", ({ key, note }) => {
      this.#listeners.get(key)?.(note);
      return null;
    });
  }

  run(key: string, work: (reporter: Reporter) => Promise<void>, onNote?: OnNote): Promise<void> {
    return this.#local.run(key, (local) => this.#anywhere(key, work, local, onNote), onNote);
  }

  async #anywhere(
    key: string,
    work: (reporter: Reporter) => Promise<void>,
    local: Reporter,
    onNote: OnNote | undefined,
  ): Promise<void> {
    let last: string | undefined;
    const hear = (note: string) => {
      if (note === last) return;
      last = note;
      onNote?.(note);
      local.report(note);
    };
    // Before the answer, because `watched` may follow it at once.
    const run = new Run(local, (note) => this.peer.tell("hub", { kind: "report", key, note }));
    this.#runs.set(key, run);
    this.#listeners.set(key, hear);
    try {
      const answer = await this.peer.askHub<"once">({ kind: "once", key });
      if (answer === "run") return await this.#here(key, work, run);
      if (answer.note !== undefined) hear(answer.note);
      if (answer.error === undefined) return;
      throw new RegistryError("cluster-unavailable", `another process failed: ${answer.error}`);
    } finally {
      this.#runs.delete(key);
      this.#listeners.delete(key);
    }
  }

  async #here(key: string, work: (reporter: Reporter) => Promise<void>, run: Run): Promise<void> {
    const end = (how: { readonly error?: string; readonly isAbandoned?: boolean }) =>
      this.peer.tell("hub", { kind: "ended", key, ending: { ...how, note: run.last } });
    try {
      await work(run);
      end({});
    } catch (error) {
      end(error instanceof Abandoned ? { isAbandoned: true } : { error: describeError(error) });
      throw error;
    }
  }
}
