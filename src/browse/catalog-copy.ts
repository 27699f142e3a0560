/**
 * The names of all repositories in the catalog, in memory: read once, and then kept current by the changes of all nodes. While
 * they are read, the first ones are known. If they need too much memory, the first ones are kept.
 */
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Storage } from "../storage/storage.js";
import { ChangeLog } from "./change-log.js";
import { NameList } from "./name-list.js";

export interface CatalogCopyOptions {
  readonly onError: (error: unknown) => void;
  /** Maximum memory of the names. */
  readonly bytesMax?: number;
}

/** A million names of 32 characters. */
const namesBytesMax = 64 * 1024 * 1024;

/** Pause after the storage has failed. */
const retryMilliseconds = 5_000;

export class CatalogCopy {
  #list = new NameList();
  /** Names up to this one are known; `undefined` if all are. */
  #knownTo: string | undefined = "";
  #reading: Reading | undefined;
  #ended: Promise<void> | undefined;
  #isOutdated = true;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Changes of the names that are known. */
  log = new ChangeLog<RepositoryName>();
  /** Changes when `names` is another list. */
  generation = 0;
  /** Names that are looked for, and whether they changed again meanwhile. */
  readonly #checks = new Map<RepositoryName, { again: boolean }>();
  readonly #unsubscribe: () => void;
  #isClosed = false;

  constructor(
    readonly storage: Pick<Storage, "repositories" | "tags">,
    readonly changes: Pick<Changes, "subscribe" | "knows">,
    readonly options: CatalogCopyOptions,
  ) {
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  get names(): readonly RepositoryName[] {
    return this.#list.names;
  }

  /** Names up to this one are known; `undefined` if all are. */
  get knownTo(): string | undefined {
    return this.#knownTo;
  }

  /** Whether all names are known, and none is outdated. */
  get isComplete(): boolean {
    const isCurrent = !this.#isOutdated && !this.isReading && this.changes.knows("tags");
    return this.#knownTo === undefined && isCurrent;
  }

  get isReading(): boolean {
    return this.#reading !== undefined;
  }

  /** Memory of the names. */
  get bytes(): number {
    return this.#list.bytes;
  }

  /** Reads the names, if they are not known or outdated. Resolves when that has ended. Never rejects. */
  refresh(): Promise<void> {
    if (this.#ended !== undefined) return this.#ended;
    const failedRecently = performance.now() - this.#failedAt < retryMilliseconds;
    if (!this.#isOutdated || failedRecently || this.#isClosed) return Promise.resolve();
    this.#ended = this.#read().finally(() => {
      this.#ended = undefined;
    });
    return this.#ended;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await this.#ended;
  }

  async #read(): Promise<void> {
    const reading = new Reading();
    this.#isOutdated = false;
    this.#reading = reading;
    // Shown while they are read, unless an earlier list is better than none.
    if (this.#knownTo === "") this.#replace(reading.list, "");
    const { onError, bytesMax = namesBytesMax } = this.options;
    try {
      let isAll = true;
      for await (const name of this.storage.repositories.list()) {
        if (this.#isClosed) return;
        if (reading.list.bytes > bytesMax) {
          isAll = false;
          break;
        }
        const own = ownCopy(name);
        reading.list.add(own);
        if (reading.list === this.#list) this.#knownTo = own;
      }
      const knownTo = isAll ? undefined : (reading.list.names.at(-1) ?? "");
      this.#reading = undefined;
      this.#replace(reading.list, knownTo);
      for (const name of reading.pushed) this.#add(name);
      for (const name of reading.doubtful) this.#check(name);
    } catch (error) {
      this.#isOutdated = true;
      this.#failedAt = performance.now();
      onError(error);
    } finally {
      this.#reading = undefined;
    }
  }

  #replace(list: NameList, knownTo: string | undefined): void {
    this.#knownTo = knownTo;
    if (this.#list === list) return;
    this.#list = list;
    this.log = new ChangeLog();
    this.generation++;
  }

  #follow(change: Change | ChangesLost): void {
    switch (change.kind) {
      case "lost":
        this.#isOutdated = true;
        return;
      case "tag-pointed":
      case "pushed-untagged":
        this.#push(change.name);
        return;
      case "tag-unsure":
      case "repository-emptied":
        this.#reading?.doubtful.add(change.name);
        this.#check(change.name);
    }
  }

  #push(name: RepositoryName): void {
    const check = this.#checks.get(name);
    if (check !== undefined) check.again = true;
    // The storage may have listed its folder before, so it need not come.
    if (this.#reading !== undefined && !this.#reading.list.has(name)) this.#reading.pushed.add(name);
    this.#add(name);
  }

  #add(name: RepositoryName): void {
    if (!this.#isKnownPlace(name) || this.#list.has(name)) return;
    this.#list.add(name);
    this.log.push({ item: name, added: true });
  }

  #remove(name: RepositoryName): void {
    if (!this.#list.has(name)) return;
    this.#list.remove(name);
    this.log.push({ item: name, added: false });
  }

  #isKnownPlace(name: RepositoryName): boolean {
    return this.#knownTo === undefined || name <= this.#knownTo;
  }

  /** Asks the storage whether the repository is in the catalog. */
  #check(name: RepositoryName): void {
    const running = this.#checks.get(name);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const check = { again: false };
    this.#checks.set(name, check);
    void this.storage.tags
      .list(name)
      .then((tags) => {
        if (check.again) return;
        if (tags === undefined) this.#remove(name);
        else this.#add(name);
      })
      .catch((error: unknown) => this.options.onError(error))
      .finally(() => {
        this.#checks.delete(name);
        if (check.again && !this.#isClosed) this.#check(name);
      });
  }
}

/** One walk through the catalog, and what changed meanwhile. */
class Reading {
  readonly list = new NameList();
  readonly pushed = new Set<RepositoryName>();
  readonly doubtful = new Set<RepositoryName>();
}

/** Names of a storage may be parts of a larger text, which they would keep in memory. */
function ownCopy(name: RepositoryName): RepositoryName {
  return Buffer.from(name, "latin1").toString("latin1") as RepositoryName;
}
