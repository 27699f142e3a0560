/**
 * Facts about the manifests of a list. Reads stored content beside the caches of pulls: nothing counts as a pull, takes a lease
 * or contacts an upstream.
 */
import { LRUCache } from "lru-cache";
import type { PullPermit } from "../auth/gate.js";
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import { type ManifestFacts, platformInConfig } from "../domain/manifest-facts.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import { FairTurns } from "../lib/fair-turns.js";
import type { Services } from "../registry/services.js";
import { type ImageFacts, type OwnFacts, wholeOf } from "./whole-image.js";

export interface FoundFacts {
  /** `undefined` for a manifest that is missing or damaged. Those that are not known yet are left out. */
  readonly facts: ReadonlyMap<Digest, ImageFacts | undefined>;
  /** Whether nothing is left out. Otherwise, ask again in a moment. */
  readonly complete: boolean;
}

type Key = `${RepositoryName}@${Digest}`;

export type ImageFactsServices = Pick<Services, "storage" | "caches" | "manifestReader">;

/** Memory of all facts: some 8,000 images. */
const factsBytesMax = 16 * 1024 * 1024;
const ownBytes = 700;
const childBytes = 400;
const contentBytes = 200;

/** Missing manifests are looked for again after this time, and after each push to the repository. */
const missingMilliseconds = 30_000;
/** Repositories with missing manifests, and the number of these in each. */
const missingRepositoriesMax = 100;
const missingMax = 2_000;

const readsAtOnce = 8;
/** The images of a page, with their entries. */
const readsWaitingMax = 10_000;
const readsWaitingPerClientMax = readsWaitingMax / 2;

/** Larger configs are not read for the platform. Parsing takes 2 ms. */
const configBytesMax = 256 * 1024;

export class ImageFactsIndex {
  readonly #known = new LRUCache<Key, OwnFacts>({
    maxSize: factsBytesMax,
    sizeCalculation: ({ children, contents }) =>
      ownBytes + children.length * childBytes + contents.size * contentBytes,
  });
  readonly #missing = new LRUCache<RepositoryName, Set<Digest>>({
    max: missingRepositoriesMax,
    ttl: missingMilliseconds,
  });
  readonly #reading = new Map<Key, Promise<OwnFacts | undefined>>();
  /** Counts pushes: a manifest that was missing before one may be here after it. */
  #pushes = 0;
  readonly #turns = new FairTurns(readsAtOnce, readsWaitingMax, readsWaitingPerClientMax);
  readonly #unsubscribe: () => void;
  #isClosed = false;

  constructor(
    readonly services: ImageFactsServices,
    readonly changes: Pick<Changes, "subscribe">,
    readonly onError: (error: unknown) => void,
  ) {
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  /** Returns what is known of these manifests by the deadline. */
  async get(
    { name }: PullPermit,
    digests: readonly Digest[],
    deadline: Deadline,
    client = "",
  ): Promise<FoundFacts> {
    const wanted = [...new Set(digests)];
    const reads = wanted.flatMap((digest) => this.#begin(name, digest, client) ?? []);
    if (reads.length > 0) await deadline.within(Promise.all(reads));
    const facts = new Map<Digest, ImageFacts | undefined>();
    let complete = true;
    for (const digest of wanted) {
      const own = this.#look(name, digest);
      if (own === undefined) complete = false;
      else if (own === "missing") facts.set(digest, undefined);
      else {
        const entries = own.children.map((child) => this.#look(name, child.digest));
        facts.set(digest, wholeOf(own, entries));
        if (entries.includes(undefined)) complete = false;
      }
    }
    return { facts, complete };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await Promise.all(this.#reading.values());
  }

  /** Returns `undefined` if nothing is known of the manifest. */
  #look(name: RepositoryName, digest: Digest): OwnFacts | "missing" | undefined {
    const known = this.#known.get(`${name}@${digest}`);
    return known ?? (this.#missing.get(name)?.has(digest) ? "missing" : undefined);
  }

  /** Reads the manifest and its entries, unless they are known. Never rejects. */
  #begin(name: RepositoryName, digest: Digest, client: string): Promise<unknown> | undefined {
    const own = this.#beginOwn(name, digest, client);
    if (own instanceof Promise)
      return own.then((found) => found && Promise.all(this.#beginChildren(name, found, client)));
    const children = own === undefined ? [] : this.#beginChildren(name, own, client);
    return children.length === 0 ? undefined : Promise.all(children);
  }

  #beginChildren(name: RepositoryName, { children }: OwnFacts, client: string): Promise<unknown>[] {
    return children.flatMap(({ digest }) => {
      const found = this.#beginOwn(name, digest, client);
      return found instanceof Promise ? found : [];
    });
  }

  /** Returns what is known of the manifest, or reads it. */
  #beginOwn(
    name: RepositoryName,
    digest: Digest,
    client: string,
  ): OwnFacts | undefined | Promise<OwnFacts | undefined> {
    const known = this.#look(name, digest);
    if (known !== undefined || this.#isClosed) return known === "missing" ? undefined : known;
    const key: Key = `${name}@${digest}`;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = this.#readInTurn(name, digest, client)
      .catch((error: unknown) => {
        this.onError(error);
        return undefined;
      })
      .finally(() => {
        if (this.#reading.get(key) === reading) this.#reading.delete(key);
      });
    this.#reading.set(key, reading);
    return reading;
  }

  async #readInTurn(name: RepositoryName, digest: Digest, client: string): Promise<OwnFacts | undefined> {
    const key: Key = `${name}@${digest}`;
    if (!(await this.#turns.begin(client))) return undefined;
    try {
      if (this.#isClosed) return undefined;
      const pushes = this.#pushes;
      const found = await this.#read(name, digest, key);
      // Otherwise it was removed meanwhile, or changes were lost.
      if (found !== undefined && this.#reading.has(key)) this.#known.set(key, found);
      if (found === undefined && this.#pushes === pushes) this.#noteMissing(name, digest);
      return found;
    } finally {
      this.#turns.end();
    }
  }

  async #read(name: RepositoryName, digest: Digest, key: Key): Promise<OwnFacts | undefined> {
    const { storage, caches, manifestReader } = this.services;
    const bytes = caches.manifests.get(key)?.bytes ?? (await storage.manifests.read(name, digest));
    if (bytes === undefined || bytes === "unreadable") return undefined;
    const facts = await manifestReader.facts(bytes, digest);
    if (facts === undefined) return undefined;
    const { config } = facts;
    if (facts.content !== "image" || config === undefined) return { ...facts, platform: undefined };
    const read = await this.#config(name, config);
    return { ...facts, platform: read && platformInConfig(read) };
  }

  /** Returns the bytes of an image's config, unless it is missing or large. */
  async #config(
    name: RepositoryName,
    { digest, size }: NonNullable<ManifestFacts["config"]>,
  ): Promise<Buffer | undefined> {
    const kept = this.services.caches.smallBlobs.get(`${name}@${digest}`);
    if (kept !== undefined || size > configBytesMax) return kept;
    const reader = await this.services.storage.blobs.open(name, digest);
    if (reader === undefined) return undefined;
    try {
      if (reader.size > configBytesMax) return undefined;
      const bytes = Buffer.alloc(reader.size);
      return bytes.subarray(0, await reader.read(bytes, 0));
    } finally {
      await reader.close();
    }
  }

  #noteMissing(name: RepositoryName, digest: Digest): void {
    let missing = this.#missing.get(name);
    if (missing === undefined || missing.size >= missingMax) {
      missing = new Set();
      this.#missing.set(name, missing);
    }
    missing.add(digest);
  }

  #follow(change: Change | ChangesLost): void {
    switch (change.kind) {
      case "manifest-deleted":
      case "condemned":
        this.#known.delete(`${change.name}@${change.digest}`);
        this.#reading.delete(`${change.name}@${change.digest}`);
        return;
      case "tag-pointed":
      case "pushed-untagged":
        this.#pushes++;
        this.#missing.delete(change.name);
        return;
      case "lost":
        this.#pushes++;
        this.#known.clear();
        this.#missing.clear();
        this.#reading.clear();
    }
  }
}
