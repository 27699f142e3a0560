/**
 * Imports one repository: its manifests with all that they name, the tags that point to them, and the blobs
 * that no manifest names. What cannot be had is named and stops nothing else.
 */
import { LRUCache } from "lru-cache";
import { algorithmOf, type Digest, isDigest } from "../../domain/digest.js";
import type { ManifestContent } from "../../domain/manifest.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import type { Mismatch } from "../../domain/pushed-manifest.js";
import type { Tag } from "../../domain/reference.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import {
  SourceError,
  type SourceManifest,
  type SourceRepository,
  type SourceTag,
} from "../../transfer/source.js";
import { resolveTag } from "../pull-manifest.js";
import { pushManifest } from "../push-manifest.js";
import { type ReadManifest, readUsableManifest } from "../read-manifest.js";
import { bringBlob } from "./blob.js";
import type { ImportProblem } from "./report.js";
import { type ImportRun, isOfOne } from "./run.js";

/** Tags and listed manifests at a time. */
const rootsAtOnce = 8;

/** Blobs at a time, of one manifest or of those that no manifest names. */
const blobsAtOnce = 8;

/** Bounds on what a repository of a malicious source can grow to; a manifest costs some 200 bytes here. */
const manifestsMax = 1_000_000;
const blobsMax = 1_000_000;
/** The index of an index is rare, and a third level has no use that is known. */
const depthMax = 4;

/** Tags of the referrers tag schema, which clients set where a registry has no referrers API. */
const referrersTag = /^([a-z0-9]+)-([0-9a-f]{64,128})$/;

/** What became of a manifest or blob. Where it failed, that has been told. */
type Outcome = "there" | "absent" | "failed";

export class RepositoryImport {
  readonly #manifests = new Map<Digest, Promise<Outcome>>();
  /** Those whose referrers were not asked for. */
  #unasked: Digest[] = [];
  /** Looking for one again that was forgotten costs little. */
  readonly #blobs = new LRUCache<Digest, Promise<Outcome>>({ max: blobsMax });

  constructor(
    readonly run: ImportRun,
    readonly from: SourceRepository,
    /** Told of each tag and listed manifest that is done. */
    readonly onRoot: () => void,
  ) {}

  /** Rejects where the storage fails. */
  async import(): Promise<void> {
    await this.#all(this.from.manifests(), rootsAtOnce, async (digest) => {
      await this.#listed(digest);
      this.onRoot();
    });
    await this.#all(this.from.tags(), rootsAtOnce, async (tag) => {
      await this.#tag(tag);
      this.onRoot();
    });
    await this.#referrers();
    await this.#all(this.from.blobs(), blobsAtOnce, (digest) => this.#looseBlob(digest));
  }

  /** What refers to a manifest may be referred to itself. */
  async #referrers(): Promise<void> {
    while (this.#unasked.length > 0) {
      const added = this.#unasked;
      this.#unasked = [];
      await this.#all(added, rootsAtOnce, (subject) =>
        this.#all(this.from.referrers(subject), 1, (digest) => this.#listed(digest)),
      );
    }
  }

  /** Works on everything that the source lists, until it fails or the import is ended early. */
  async #all<T>(
    source: Iterable<T> | AsyncIterable<T>,
    limit: number,
    work: (item: T) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.run.options;
    await this.#told({}, () =>
      inParallel(source, limit, (item) => (signal.aborted ? Promise.resolve() : work(item))),
    );
  }

  async #listed(digest: Digest): Promise<void> {
    if ((await this.#manifest(digest)) === "absent")
      this.#problem({ digest, what: "the source lists the manifest, and does not have it" });
  }

  #manifest(digest: Digest, depth = 0): Promise<Outcome> {
    if (this.#manifests.size >= manifestsMax && !this.#manifests.has(digest))
      return this.#told({ digest }, () => {
        throw new SourceError(`the repository has more than ${manifestsMax} manifests`);
      });
    return once(this.#manifests, digest, () => {
      this.#unasked.push(digest);
      return this.#told({ digest }, () => this.#bringManifest(digest, depth));
    });
  }

  #blob(digest: Digest, size?: number): Promise<Outcome> {
    return once(this.#blobs, digest, () =>
      this.#told({ digest }, async () =>
        (await bringBlob(this.run, this.from, digest, size)) ? "there" : "absent",
      ),
    );
  }

  async #bringManifest(digest: Digest, depth: number): Promise<Outcome> {
    const { tally, options } = this.run;
    if (depth > depthMax) throw new SourceError(`indexes are nested more than ${depthMax} deep`);
    // One that is stored here was accepted before, perhaps with wider bounds.
    const own = await this.#ownManifest(digest);
    const found = own === undefined ? await this.from.manifest(digest) : undefined;
    const manifest = own?.manifest ?? (found && (await this.#parse(digest, found)));
    if (manifest === undefined) return "absent";
    const missing = await this.#bringNamed(manifest, depth);
    if (missing.length > 0) {
      this.#problem({ digest, what: `the manifest names what is not there: ${missing.join(", ")}` });
      return "failed";
    }
    if (found === undefined) tally.manifests.there++;
    else {
      // Only now: a manifest that was there has been warned of when it came.
      const mismatches = options.dryRun ? [] : await this.#push(digest, [], found);
      for (const mismatch of mismatches) this.#warn(digest, mismatch);
      tally.manifests.imported++;
    }
    return "there";
  }

  async #parse(digest: Digest, { bytes, mediaType }: SourceManifest): Promise<ManifestContent> {
    // A copy, since the reader consumes the bytes and the manifest is pushed after everything that it names.
    const task = {
      bytes: Buffer.from(bytes),
      contentType: mediaType,
      algorithm: algorithmOf(digest),
      keepsMediaTypes: true,
    };
    return (await this.run.services.manifestReader.pushed(task)).manifest;
  }

  #ownManifest(digest: Digest): Promise<ReadManifest | undefined> {
    return readUsableManifest(this.run.services, this.from.name, digest);
  }

  /** Brings all that a manifest names, and gives what it must not do without. */
  async #bringNamed({ blobs, children }: ManifestContent, depth: number): Promise<Digest[]> {
    const missing: Digest[] = [];
    const look = async (digest: Digest, coming: Promise<Outcome>) => {
      const outcome = await coming;
      const mayLack = outcome === "absent" && this.run.services.rules.sparseManifests;
      if (outcome !== "there" && !mayLack) missing.push(digest);
    };
    await inParallel(blobs, blobsAtOnce, ({ digest, size }) => look(digest, this.#blob(digest, size)));
    for (const { digest, size, mediaType } of children) {
      const isBlob = !isManifestMediaType(mediaType);
      await look(digest, isBlob ? this.#blob(digest, size) : this.#manifest(digest, depth + 1));
    }
    return missing;
  }

  /** Takes a manifest as the source serves it, and gives what in it does not fit its content. */
  async #push(
    digest: Digest,
    tags: readonly Tag[],
    { bytes, mediaType }: SourceManifest,
  ): Promise<readonly Mismatch[]> {
    const reference = { kind: "digest", digest } as const;
    const permit = this.run.permit(this.from.name);
    const mismatches: Mismatch[] = [];
    const onMismatch = (mismatch: Mismatch) => mismatches.push(mismatch);
    const push = { reference, tags, contentType: mediaType, bytes, onMismatch };
    await pushManifest(this.run.services, permit, push);
    return mismatches;
  }

  async #tag({ tag, digest: resolve }: SourceTag): Promise<void> {
    const { tally } = this.run;
    const digest = await this.#told({ tag }, resolve);
    if (digest === "failed") return;
    if (digest === undefined) {
      this.#problem({ tag, what: "the source cannot tell what the tag points to" });
      return;
    }
    const outcome = await this.#manifest(digest);
    if (outcome === "there" && (await this.#isListedByApi(tag, digest))) tally.tags.referrers++;
    else if (outcome === "there") await this.#told({ tag, digest }, () => this.#point(tag, digest));
    else if (outcome === "absent")
      this.#problem({ tag, digest, what: "the tag points to a manifest that the source does not have" });
    else this.#problem({ tag, digest, what: "the tag points to a manifest that was not imported" });
  }

  /**
   * Whether the tag is one of the referrers tag schema (distribution-spec), and everything that it lists is listed by
   * the referrers API here. A client that follows both would meet the same manifests twice, and one whose list has the
   * subject itself would follow it in a circle.
   */
  async #isListedByApi(tag: Tag, digest: Digest): Promise<boolean> {
    const [, algorithm, encoded] = referrersTag.exec(tag) ?? [];
    const subject = `${algorithm}:${encoded}`;
    if (this.run.options.referrersTags || !isDigest(subject)) return false;
    const list = await this.#read(digest);
    if (list?.kind !== "index" || list.subject !== undefined) return false;
    for (const { digest: child } of list.children) {
      if (child !== subject && (await this.#read(child))?.subject?.digest !== subject) return false;
    }
    return true;
  }

  /** Of this registry, or of the source where it did not come, as in a dry run. */
  async #read(digest: Digest): Promise<ManifestContent | undefined> {
    const read = await this.#told({ digest }, async () => {
      const own = await this.#ownManifest(digest);
      if (own !== undefined) return own.manifest;
      const found = await this.from.manifest(digest);
      return found && (await this.#parse(digest, found));
    });
    return read === "failed" ? undefined : read;
  }

  async #point(tag: Tag, digest: Digest): Promise<void> {
    const { tally, options, services } = this.run;
    const current = await resolveTag(services, this.from.name, tag);
    if (current === digest) tally.tags.there++;
    else if (current !== undefined && options.keepTags) tally.tags.kept++;
    else {
      const own = options.dryRun ? undefined : await this.#ownManifest(digest);
      if (own !== undefined) await this.#push(digest, [tag], { bytes: own.bytes, mediaType: "" });
      tally.tags[current === undefined ? "imported" : "moved"]++;
    }
  }

  async #looseBlob(digest: Digest): Promise<void> {
    if ((await this.#blob(digest)) === "absent" && !this.#manifests.has(digest))
      this.run.tally.odd(`${this.from.name}@${digest}`, "the source lists the blob, and does not have it");
  }

  /** Runs `work`; what the source fails with, or the registry refuses, is told of `about`. */
  async #told<T>(
    about: Pick<ImportProblem, "tag" | "digest">,
    work: () => Promise<T>,
  ): Promise<T | "failed"> {
    try {
      return await work();
    } catch (error) {
      if (this.run.options.signal.aborted) return "failed";
      if (!isOfOne(error)) throw error;
      this.#problem({ ...about, what: describeError(error) });
      return "failed";
    }
  }

  #warn(digest: Digest, { what, digest: named }: Mismatch): void {
    this.run.tally.warning({
      repository: this.from.name,
      digest,
      what: `the manifest is kept as it was served: ${named === digest ? "" : `of ${named}, `}${what}`,
    });
  }

  #problem(problem: ImportProblem): void {
    this.run.tally.problem({ repository: this.from.name, ...problem });
  }
}

/** The promise of `key`, made where there is none. */
function once<K extends {}, V>(
  promises: Pick<Map<K, Promise<V>>, "get"> & { set(key: K, value: Promise<V>): unknown },
  key: K,
  make: () => Promise<V>,
): Promise<V> {
  let promise = promises.get(key);
  if (promise === undefined) {
    promise = make();
    promises.set(key, promise);
  }
  return promise;
}
