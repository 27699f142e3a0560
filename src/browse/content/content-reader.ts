/**
 * Reads what pages show of manifests and blobs. Untrusted content is bounded by its size, by the bytes that are read at a time,
 * in total and for each client, and by a thread's memory and time. Counts no pull, grants no lease and fetches nothing.
 */
import { LRUCache } from "lru-cache";
import { readChart } from "../../domain/chart.js";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { readImageConfig } from "../../domain/image-config.js";
import { readManifestDetails } from "../../domain/manifest-details.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { readStatement } from "../../domain/statement.js";
import { textHead } from "../../domain/text-head.js";
import { ByteBudget } from "../../lib/byte-budget.js";
import type { Deadline } from "../../lib/deadline.js";
import { LateResults } from "../../lib/late-results.js";
import { Places } from "../../lib/places.js";
import { loadManifest } from "../../registry/pull-manifest.js";
import type { Services } from "../../registry/services.js";
import {
  type Answer,
  type Problem,
  type Readers,
  type Reading,
  type Readings,
  readChecked,
} from "./content-protocol.js";
import { ContentThread } from "./content-thread.js";

export type ContentServices = Pick<
  Services,
  "storage" | "caches" | "manifestReader" | "onStray" | "onBackgroundError"
>;

/** A manifest or blob of a repository. */
export interface Content {
  readonly name: RepositoryName;
  readonly digest: Digest;
  readonly kind: "manifest" | "blob";
}

const mebibyte = 1024 * 1024;

/** Content that the repository has. */
interface Source {
  /** In bytes. */
  readonly size: number;
  read(): Promise<Uint8Array | undefined>;
}

/** Larger content is not read. */
const bytesMax: Readonly<Record<Reading, number>> = {
  manifest: 4 * mebibyte,
  config: 4 * mebibyte,
  text: 4 * mebibyte,
  chart: mebibyte,
  chartArchive: 16 * mebibyte,
  readme: mebibyte,
  statement: 8 * mebibyte,
  sbom: 16 * mebibyte,
};

/** Reading this much takes at most some milliseconds, whatever it is. */
const inlineBytesMax = 32 * 1024;

/** All content that is being read, or waits for the thread. */
const heldBytesMax = 32 * mebibyte;
const heldBytesPerClientMax = heldBytesMax / 2;
const readsMax = 64;
const readsPerClientMax = readsMax / 2;

const keptBytesMax = 16 * mebibyte;
/** After this time, content that took too long is tried again: perhaps the machine was busy. */
const slowMilliseconds = 60_000;

/** Overhead of an entry. */
const entryBytes = 512;

const inlineReaders: Partial<Readers<Reading>> = {
  manifest: readManifestDetails,
  config: readImageConfig,
  text: textHead,
  chart: readChart,
  statement: readStatement,
};

/** The part of the reader that describes content to one client. */
export type ClientReader = Pick<ContentReader, "blobSize"> & {
  readonly late: Pick<LateResults, "within">;
  read<R extends Reading>(
    reading: R,
    content: Content,
    deadline: Deadline,
  ): Promise<Answer<Readings[R]> | undefined>;
};

export class ContentReader {
  /** Of descriptions that are not kept: what is attached to an image changes. */
  readonly late = new LateResults();
  readonly #kept = new LRUCache<string, Answer<unknown>>({
    maxSize: keptBytesMax,
    sizeCalculation: (answer) => JSON.stringify(answer).length + entryBytes,
  });
  readonly #running = new Map<string, Promise<Answer<unknown> | undefined>>();
  readonly #thread: ContentThread;
  readonly #held = new ByteBudget(heldBytesMax, heldBytesPerClientMax);
  readonly #reads = new Places(readsMax, readsPerClientMax);

  constructor(readonly services: ContentServices) {
    this.#thread = new ContentThread(services.onBackgroundError);
  }

  /** Returns the reader of one client. If much content waits to be read, clients take turns. */
  of(client: string): ClientReader {
    return {
      late: { within: (key, deadline, work) => this.late.within(key, deadline, work, client) },
      read: (reading, content, deadline) => this.read(reading, content, deadline, client),
      blobSize: (name, digest) => this.blobSize(name, digest),
    };
  }

  /** Resolves with `undefined` if the content has not been read by the deadline; ask again in a moment. */
  async read<R extends Reading>(
    reading: R,
    content: Content,
    deadline: Deadline,
    client = "",
  ): Promise<Answer<Readings[R]> | undefined> {
    const key = `${reading} ${content.name}@${content.digest}`;
    const running = this.#running.get(key) ?? this.#start(key, reading, content, client);
    return (await (running && deadline.within(running))) as Answer<Readings[R]> | undefined;
  }

  /** Returns the size of a blob in bytes, or `undefined` if the repository does not have it. */
  async blobSize(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    const { caches, storage } = this.services;
    return caches.blobSizes.load(`${name}@${digest}`, () => storage.blobs.size(name, digest));
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  #start(
    key: string,
    reading: Reading,
    content: Content,
    client: string,
  ): Promise<Answer<unknown> | undefined> | undefined {
    if (!this.#reads.enter(client)) return undefined;
    const running = this.#answer(key, reading, content, client).finally(() => {
      this.#running.delete(key);
      this.#reads.leave(client);
    });
    running.catch(() => {});
    this.#running.set(key, running);
    return running;
  }

  async #answer(
    key: string,
    reading: Reading,
    content: Content,
    client: string,
  ): Promise<Answer<unknown> | undefined> {
    try {
      const found = content.kind === "manifest" ? await this.#manifest(content) : await this.#blob(content);
      if ("problem" in found) return found;
      const kept = this.#kept.get(key);
      if (kept !== undefined) return kept;
      if (found.size > bytesMax[reading]) return { problem: "too-large" };
      const answer = await this.#readHeld(reading, content.digest, found, client);
      this.#keep(key, answer);
      return answer;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { problem: "failed" };
    }
  }

  #keep(key: string, answer: Answer<unknown> | undefined): void {
    const problem = answer && "problem" in answer ? answer.problem : undefined;
    if (answer === undefined || problem === "failed") return;
    this.#kept.set(key, answer, problem === "too-slow" ? { ttl: slowMilliseconds } : {});
  }

  async #manifest({ name, digest }: Content): Promise<Source | { readonly problem: Problem }> {
    const { services } = this;
    const stored =
      services.caches.manifests.get(`${name}@${digest}`) ?? (await loadManifest(services, name, digest));
    if (stored !== undefined) return { size: stored.bytes.length, read: async () => stored.bytes };
    const size = await services.storage.manifests.size(name, digest);
    return { problem: size === undefined ? "missing" : "damaged" };
  }

  async #blob({ name, digest }: Content): Promise<Source | { readonly problem: Problem }> {
    const size = await this.blobSize(name, digest);
    return size === undefined
      ? { problem: "missing" }
      : { size, read: () => this.#blobBytes(name, digest, size) };
  }

  /** Resolves with `undefined` if too much is being read. */
  async #readHeld(
    reading: Reading,
    digest: Digest,
    source: Source,
    client: string,
  ): Promise<Answer<unknown> | undefined> {
    const { size } = source;
    const account = this.#held.account(client);
    if (!account.take(size)) return undefined;
    try {
      const bytes = await source.read();
      if (bytes === undefined) return { problem: "missing" };
      const read = inlineReaders[reading];
      return read !== undefined && size <= inlineBytesMax
        ? await readChecked<unknown>({ bytes, digest }, read)
        : await this.#thread.read({ reading, bytes, digest }, client);
    } finally {
      account.give(size);
    }
  }

  async #blobBytes(name: RepositoryName, digest: Digest, size: number): Promise<Uint8Array | undefined> {
    const { storage, caches } = this.services;
    const kept = caches.smallBlobs.get(`${name}@${digest}`);
    if (kept !== undefined) return kept;
    const reader = await storage.blobs.open(name, digest);
    if (reader === undefined) return undefined;
    try {
      const bytes = Buffer.alloc(Math.min(size, reader.size));
      return bytes.subarray(0, await reader.read(bytes, 0));
    } finally {
      await reader.close();
    }
  }
}
