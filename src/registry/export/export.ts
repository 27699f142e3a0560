/**
 * Exports manifests with everything that they name, during pushes and pulls. Objects being read have a lease, so that the
 * collector keeps them.
 */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import type { BlobReader } from "../../storage/storage.js";
import { type NamedContent, refName, type Sink } from "../../transfer/sink.js";
import { lease } from "../lease.js";
import { type ReadManifest, readManifest } from "../read-manifest.js";
import type { Services } from "../services.js";
import type { ExportProblem, ExportReport } from "./report.js";
import type { Root } from "./select.js";

export interface ExportOptions {
  /** Whether the referrers of a manifest are exported with it. */
  readonly referrers: boolean;
  /** Ends the export after the current objects; finished roots are named. */
  readonly signal: AbortSignal;
}

/** Called after each root, and for the bytes written. */
export type ExportProgress = (done: number, total: number, name: RepositoryName, bytes: number) => void;

/** Concurrent manifests, concurrent blobs of each manifest, and bytes of a blob per read. */
const rootsAtOnce = 2;
const blobsAtOnce = 2;
const readBytes = 1024 * 1024;

export async function exportTo(
  services: Services,
  sink: Sink,
  roots: readonly Root[],
  options: ExportOptions,
  onProgress: ExportProgress,
): Promise<ExportReport> {
  const running = new Export(services, sink, options);
  const names = new Set(roots.map(({ name }) => name));
  const finished: NamedContent[] = [];
  let done = 0;
  await inParallel(roots, rootsAtOnce, async (root) => {
    if (options.signal.aborted) return;
    finished.push(...(await running.root(root, names.size > 1)));
    onProgress(++done, roots.length, root.name, running.written.bytes);
  });
  await sink.finish(finished);
  return {
    references: finished.length,
    written: running.written,
    there: running.there,
    problems: running.problems,
    complete: !options.signal.aborted,
  };
}

/** A manifest that cannot be exported; `message` says why. */
class Unexportable extends Error {
  override readonly name = "Unexportable";
}

class Export {
  readonly written = { count: 0, bytes: 0 };
  readonly there = { count: 0, bytes: 0 };
  readonly problems: ExportProblem[] = [];
  /** Manifests by repository and digest. */
  readonly #manifests = new Map<string, Promise<NamedContent>>();
  readonly #contents = new Map<Digest, Promise<void>>();

  constructor(
    readonly services: Services,
    readonly sink: Sink,
    readonly options: ExportOptions,
  ) {}

  /** Returns the names for a root: the manifest by its tag, with its repository if there are several, and its referrers. */
  async root({ name, tag, digest }: Root, several: boolean): Promise<NamedContent[]> {
    try {
      const exported = await this.#manifest(name, digest);
      const ref = several ? `${name}:${tag}` : tag;
      const entry =
        ref === undefined || tag === undefined ? exported : { ...exported, annotations: { [refName]: ref } };
      return [entry, ...(this.options.referrers ? await this.#referrers(name, digest) : [])];
    } catch (error) {
      if (this.options.signal.aborted) return [];
      if (!(error instanceof Unexportable) && !(error instanceof RegistryError)) throw error;
      this.problems.push({ repository: name, ...(tag && { tag }), digest, what: describeError(error) });
      return [];
    }
  }

  /** Returns the referrers of the manifest, of everything that it names, and of these in turn. */
  async #referrers(name: RepositoryName, root: Digest): Promise<NamedContent[]> {
    const found = new Map<Digest, NamedContent>();
    const seen = new Set<Digest>();
    for (const next = [root]; next.length > 0; ) {
      const subject = next.pop();
      if (subject === undefined || seen.has(subject)) continue;
      seen.add(subject);
      for await (const { digest } of this.services.storage.referrers.list(name, subject)) {
        if ((await this.services.storage.manifests.size(name, digest)) === undefined) continue;
        found.set(digest, await this.#manifest(name, digest));
        next.push(digest);
      }
      const { manifest } = await this.#read(name, subject);
      next.push(
        ...manifest.children
          .filter(({ mediaType }) => isManifestMediaType(mediaType))
          .map(({ digest }) => digest),
      );
    }
    return [...found.values()];
  }

  #manifest(name: RepositoryName, digest: Digest): Promise<NamedContent> {
    const key = `${name}@${digest}`;
    let exporting = this.#manifests.get(key);
    if (exporting === undefined) {
      exporting = this.#exportManifest(name, digest);
      this.#manifests.set(key, exporting);
    }
    return exporting;
  }

  async #exportManifest(name: RepositoryName, digest: Digest): Promise<NamedContent> {
    const { bytes, manifest } = await this.#read(name, digest);
    for (const child of manifest.children) {
      if (isManifestMediaType(child.mediaType)) {
        if (!(await this.#mayLack(name, child.digest))) await this.#manifest(name, child.digest);
      } else await this.#blob(name, child.digest);
    }
    await inParallel(manifest.blobs, blobsAtOnce, (blob) => this.#blob(name, blob.digest));
    await this.#content(digest, bytes.length, async function* () {
      yield bytes;
    });
    return { mediaType: manifest.mediaType, digest, size: bytes.length };
  }

  async #read(name: RepositoryName, digest: Digest): Promise<ReadManifest> {
    const { services } = this;
    const found = await lease(services, name, digest, () => readManifest(services, name, digest));
    if (found === undefined) throw new Unexportable(`the repository has no manifest ${digest}`);
    if (typeof found === "string") throw new Unexportable(`the manifest ${digest} is damaged`);
    return found;
  }

  /** Returns whether a manifest is absent and may be absent. */
  async #mayLack(name: RepositoryName, digest: Digest): Promise<boolean> {
    const { rules, storage } = this.services;
    return rules.allowsSparse(name) && (await storage.manifests.size(name, digest)) === undefined;
  }

  async #blob(name: RepositoryName, digest: Digest): Promise<void> {
    const { services } = this;
    const reader = await lease(services, name, digest, () => services.storage.blobs.open(name, digest));
    if (reader === undefined) {
      if (services.rules.allowsSparse(name)) return;
      throw new Unexportable(`the repository has no blob ${digest}`);
    }
    try {
      await this.#content(digest, reader.size, () => bytesOf(reader));
    } finally {
      await reader.close();
    }
  }

  #content(digest: Digest, size: number, bytes: () => AsyncIterable<Uint8Array>): Promise<void> {
    let adding = this.#contents.get(digest);
    if (adding === undefined) {
      adding = this.#add(digest, size, bytes);
      this.#contents.set(digest, adding);
    }
    return adding;
  }

  async #add(digest: Digest, size: number, bytes: () => AsyncIterable<Uint8Array>): Promise<void> {
    const isThere = await this.sink.has(digest, size);
    if (!isThere) await this.sink.add(digest, bytes(), this.options.signal);
    const amount = isThere ? this.there : this.written;
    amount.count++;
    amount.bytes += size;
  }
}

async function* bytesOf(reader: BlobReader): AsyncIterable<Uint8Array> {
  for (let position = 0; position < reader.size; ) {
    // A new buffer each time: the writer may still hold the last one.
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, reader.size - position));
    const got = await reader.read(buffer, position);
    if (got === 0) return;
    position += got;
    yield buffer.subarray(0, got);
  }
}
