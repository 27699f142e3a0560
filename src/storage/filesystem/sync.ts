/**
 * Durability of directories: creates them, and syncs them once for all who wait. A caller who asks while
 * a sync of the same directory runs cannot know whether it covers its own change, so it shares the next
 * one with everybody else who asked meanwhile.
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

/** Each time an empty directory would have to be removed between its making and its use. */
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
    // What was not ensured is synced once, and renamed.
    const keep = this.#known.get(directory) === true;
    const running = this.syncs.directory(directory, keep).finally(() => {
      // Whoever shares the next turn has registered its beginning on `running` already.
      if (this.#turns.get(directory)?.running === running && turn.next === undefined)
        this.#turns.delete(directory);
    });
    const turn: Turn = { running, next: undefined };
    this.#turns.set(directory, turn);
    return running;
  }

  /**
   * Makes sure that the directory is there to stay. What an earlier process created may never have been
   * synced, so each directory's parent is synced once in a process's life.
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

  /** Nothing is written to where a symbolic link leads. An operator may put such links right into the root. */
  async #refuseLink(directory: string): Promise<void> {
    if (dirname(directory) === this.root || !(await lstat(directory)).isSymbolicLink()) return;
    throw Object.assign(new Error(`${directory} is a symbolic link`), { code: "ELOOP" });
  }

  /**
   * Runs `work` with the directories there. Where one has gone since it was last seen (a collection has removed it while
   * it was empty, or an operator tidied up), they are made again and the work is done once more.
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
   * Removes the directory if nothing is in it; whoever needs it makes it again, with `within`. Whether it is not there
   * any more. It is not synced: one that comes back after a crash is as empty.
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
      // Who found it there before it went may have noted so meanwhile.
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
