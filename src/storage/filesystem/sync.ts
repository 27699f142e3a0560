/**
 * Durability of directories: creates them, and syncs each once for all waiting callers. A caller that asks during a running
 * sync of the same directory cannot know whether it covers its own change, so it shares the next sync with all others that
 * asked meanwhile.
 */
import { lstat, mkdir, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { LRUCache } from "lru-cache";
import { HitCounts } from "../../lib/hit-counts.js";
import { entriesMax } from "../../lib/lru-bound.js";
import { RunningWork } from "../../lib/running-work.js";
import { type Durability, Syncs } from "./syncs.js";

interface Turn {
  readonly running: Promise<void>;
  next: Promise<void> | undefined;
}

/** Directories known to exist durably; 20,000 paths of about 100 bytes are 2 MB. */
const knownDirectoriesMax = 20_000;

/** Each attempt fails only if an empty directory is removed between its creation and its use. */
const attemptsMax = 5;

export class Directories {
  readonly #turns = new Map<string, Turn>();
  /** Whether the name is known to be on stable storage, too. */
  readonly #known = new LRUCache<string, "there" | "durable">(entriesMax(knownDirectoriesMax));
  readonly #creating = new RunningWork<string, void>();
  readonly syncs: Syncs;
  readonly lookups = new HitCounts();

  constructor(
    readonly root: string,
    durability: Durability,
  ) {
    this.syncs = new Syncs(durability);
  }

  /** Resolves when every change made to the directory before the call is on stable storage. */
  sync(directory: string): Promise<void> {
    if (this.syncs.durability === "relaxed") return Promise.resolve();
    const turn = this.#turns.get(directory);
    if (turn === undefined) return this.#begin(directory);
    turn.next ??= turn.running.then(
      () => this.#begin(directory),
      () => this.#begin(directory),
    );
    return turn.next;
  }

  #begin(directory: string): Promise<void> {
    // Directories that were not ensured are synced once, before they are renamed.
    const keep = this.#known.has(directory);
    const running = this.syncs.directory(directory, keep).finally(() => {
      // Callers that share the next turn have already registered on `running`.
      if (this.#turns.get(directory)?.running === running && turn.next === undefined)
        this.#turns.delete(directory);
    });
    const turn: Turn = { running, next: undefined };
    this.#turns.set(directory, turn);
    return running;
  }

  /**
   * Ensures that the directory exists durably. An earlier process may not have synced what it created, so each directory's
   * parent is synced once in a process's life. Without `durably`, the directory exists, and may be lost in a power failure.
   */
  ensure(directory: string, durably = true): Promise<void> | undefined {
    const known = this.#known.get(directory);
    const isEnsured = known === "durable" || (known === "there" && !durably);
    if (directory === this.root || this.lookups.note(isEnsured || undefined) === true) return undefined;
    const key = durably ? directory : `${directory}/`;
    return this.#creating.join(key, () => this.#create(directory, durably));
  }

  /** Returns the directory and those above it of which `ensure` has not found that they exist and are no symbolic links. */
  unknownOn(directory: string): string[] {
    // An operator may make links of the directories directly in the root.
    const isExempt = dirname(directory) === this.root;
    return isExempt || this.#known.has(directory) ? [] : [...this.unknownOn(dirname(directory)), directory];
  }

  async #create(directory: string, durably: boolean): Promise<void> {
    const parent = dirname(directory);
    await this.ensure(parent, durably);
    try {
      await mkdir(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      await this.#refuseLink(directory);
    }
    if (durably) await this.sync(parent);
    // Another caller may have ensured more meanwhile.
    if (durably || !this.#known.has(directory)) this.#known.set(directory, durably ? "durable" : "there");
  }

  /** Refuses to write through a symbolic link. An operator may create such links directly in the root. */
  async #refuseLink(directory: string): Promise<void> {
    if (dirname(directory) === this.root || !(await lstat(directory)).isSymbolicLink()) return;
    throw Object.assign(new Error(`${directory} is a symbolic link`), { code: "ELOOP" });
  }

  /**
   * Runs `work` with existing directories. If one was removed since it was last seen (by a collection while it was empty, or
   * by an operator), creates them again and repeats the work.
   */
  async within<T>(directories: readonly string[], work: () => Promise<T>, durably = true): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.ensureAll(directories, durably);
        return await work();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === attemptsMax) throw error;
        for (const directory of directories) this.#forget(directory);
      }
    }
  }

  /**
   * Removes the directory if it is empty; the next user creates it again with `within`. Returns whether it no longer exists.
   * It is not synced: a directory that reappears after a crash is empty, too.
   */
  async removeIfEmpty(directory: string): Promise<boolean> {
    this.#known.delete(directory);
    try {
      await rmdir(directory);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return true;
      if (code === "ENOTEMPTY" || code === "EEXIST") return false;
      throw error;
    } finally {
      // A caller that saw it before the removal may have noted it meanwhile.
      this.#known.delete(directory);
    }
  }

  async ensureAll(directories: readonly string[], durably = true): Promise<void> {
    await Promise.all(directories.map((directory) => this.ensure(directory, durably)));
  }

  /** Forgets that these directories and those below exist, because another process has removed them. */
  forgetBelow(removed: readonly string[]): void {
    for (const directory of [...this.#known.keys()])
      if (removed.some((root) => `${directory}/`.startsWith(`${root}/`))) this.#known.delete(directory);
    for (const directory of removed) this.#forget(directory);
  }

  #forget(directory: string): void {
    for (let path = directory; path.length > this.root.length; path = dirname(path)) this.#known.delete(path);
  }
}
