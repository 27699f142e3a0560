/**
 * The names of all repositories in the catalog, in memory: read once, and then kept current by the changes of all nodes. While
 * they are read, the first ones are known. If they need too much memory, the first ones are kept.
 */
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { Turns } from "../lib/turns.js";
import type { Storage } from "../storage/storage.js";
import { ListChanges } from "./list-changes.js";
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

/** Repositories that the storage is asked about at a time, and those that wait for it. For more, all names are read again. */
const checksAtOnce = 8;
const checksMax = 10_000;

/** Names that are noted while all are read. For more, all names are read again. */
const notedMax = 10_000;

export class CatalogCopy {
  #list = new NameList();
  /** Names up to this one are known; `undefined` if all are. */
  #knownTo: string | undefined = "";
  #reading: Reading | undefined;
  #ended: Promise<void> | undefined;
  #isOutdated = true;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Changes of the names that are known. */
  log = new ListChanges<RepositoryName>();
  /** Changes when `names` is another list. */
  generation = 0;
  /** Names that are looked for, and whether they changed again meanwhile. */
  readonly #checks = new Map<RepositoryName, { again: boolean }>();
  readonly #checkTurns = new Turns(checksAtOnce);
  readonly #bytesMax: number;
  readonly #unsubscribe: () => void;
  #isClosed = false;

  constructor(
    readonly storage: Pick<Storage, "repositories" | "tags">,
    readonly changes: Pick<Changes, "subscribe" | "knows">,
    readonly options: CatalogCopyOptions,
  ) {
    this.#bytesMax = options.bytesMax ?? namesBytesMax;
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
    return this.#knownTo === undefined && this.#isCurrent;
  }

  /** Whether only the first names are kept, because all would need too much memory. */
  get tooMany(): boolean {
    return this.#knownTo !== undefined && this.#isCurrent;
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
    const { onError } = this.options;
    try {
      let isAll = true;
      for await (const name of this.storage.repositories.list()) {
        if (this.#isClosed) return;
        if (reading.list.bytes > this.#bytesMax) {
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
      if (reading.hasMissed) this.#isOutdated = true;
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

  get #isCurrent(): boolean {
    return !this.#isOutdated && !this.isReading && this.changes.knows("tags");
  }

  #replace(list: NameList, knownTo: string | undefined): void {
    this.#knownTo = knownTo;
    if (this.#list === list) return;
    this.#list = list;
    this.log = new ListChanges();
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
        this.#reading?.note("doubtful", change.name);
        this.#check(change.name);
    }
  }

  #push(name: RepositoryName): void {
    const check = this.#checks.get(name);
    if (check !== undefined) check.again = true;
    // The storage may have listed its folder before, so it need not come.
    if (this.#reading?.list.has(name) === false) this.#reading.note("pushed", name);
    this.#add(name);
  }

  #add(name: RepositoryName): void {
    if (!this.#isKnownPlace(name) || this.#list.has(name)) return;
    // The names that are being read go on after the last one.
    const isBeingRead = this.#reading?.list === this.#list;
    if (isBeingRead && this.#list.bytes > this.#bytesMax) return;
    this.#list.add(name);
    this.log.push({ item: name, added: true });
    if (!isBeingRead) this.#bound();
  }

  /** Drops the last names while there are too many. */
  #bound(): void {
    while (this.#list.bytes > this.#bytesMax) {
      const last = this.#list.removeLast();
      if (last === undefined) return;
      this.log.push({ item: last, added: false });
      this.#knownTo = this.#list.names.at(-1) ?? "";
    }
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
    if (this.#checks.size >= checksMax) {
      this.#isOutdated = true;
      return;
    }
    const check = { again: false };
    this.#checks.set(name, check);
    void this.#exists(name)
      .then((exists) => {
        if (check.again || exists === undefined) return;
        if (exists) this.#add(name);
        else this.#remove(name);
      })
      .catch((error: unknown) => this.options.onError(error))
      .finally(() => {
        this.#checks.delete(name);
        if (check.again && !this.#isClosed) this.#check(name);
      });
  }

  /** Resolves with `undefined` if the catalog is closed. */
  async #exists(name: RepositoryName): Promise<boolean | undefined> {
    await this.#checkTurns.begin();
    try {
      return this.#isClosed ? undefined : (await this.storage.tags.list(name)) !== undefined;
    } finally {
      this.#checkTurns.end();
    }
  }
}

/** One walk through the catalog, and what changed meanwhile. */
class Reading {
  readonly list = new NameList();
  readonly pushed = new Set<RepositoryName>();
  readonly doubtful = new Set<RepositoryName>();
  /** Whether too much changed to note it. */
  hasMissed = false;

  note(what: "pushed" | "doubtful", name: RepositoryName): void {
    const noted = this[what];
    if (noted.size < notedMax) noted.add(name);
    else if (!noted.has(name)) this.hasMissed = true;
  }
}

/** Names of a storage may be parts of a larger text, which they would keep in memory. */
function ownCopy(name: RepositoryName): RepositoryName {
  return Buffer.from(name, "latin1").toString("latin1") as RepositoryName;
}
