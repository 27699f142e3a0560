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
  readonly #known = new LRUCache<string, true>(entriesMax(knownDirectoriesMax));
  readonly #creating = new Map<string, Promise<void>>();
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
    const keep = this.#known.get(directory) === true;
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
   * parent is synced once in a process's life.
   */
  ensure(directory: string): Promise<void> | undefined {
    if (directory === this.root || this.lookups.note(this.#known.get(directory)) === true) return undefined;
    let creating = this.#creating.get(directory);
    if (creating === undefined) {
      creating = this.#create(directory).finally(() => this.#creating.delete(directory));
      this.#creating.set(directory, creating);
    }
    return creating;
  }

  /** Returns the directory and those above it of which `ensure` has not found that they exist and are no symbolic links. */
  unknownOn(directory: string): string[] {
    // An operator may make links of the directories directly in the root.
    const isExempt = dirname(directory) === this.root;
    return isExempt || this.#known.get(directory) === true
      ? []
      : [...this.unknownOn(dirname(directory)), directory];
  }

  async #create(directory: string): Promise<void> {
    const parent = dirname(directory);
    await this.ensure(parent);
    try {
      await mkdir(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      await this.#refuseLink(directory);
    }
    await this.sync(parent);
    this.#known.set(directory, true);
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
  async within<T>(directories: readonly string[], work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.ensureAll(directories);
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

  async ensureAll(directories: readonly string[]): Promise<void> {
    await Promise.all(directories.map((directory) => this.ensure(directory)));
  }

  #forget(directory: string): void {
    for (let path = directory; path.length > this.root.length; path = dirname(path)) this.#known.delete(path);
  }
}
