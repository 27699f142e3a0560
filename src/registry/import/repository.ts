/**
 * Imports one repository: its manifests with everything that they name, the tags that point to them, and the blobs that no
 * manifest names. An object that cannot be imported is reported and stops nothing else.
 */
import { LRUCache } from "lru-cache";
import { algorithmOf, type Digest, isDigest } from "../../domain/digest.js";
import { type ManifestContent, manifestBytesMax } from "../../domain/manifest.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import type { Mismatch } from "../../domain/pushed-manifest.js";
import type { Tag } from "../../domain/reference.js";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import { entriesMax } from "../../lib/lru-bound.js";
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
import { PulledAt } from "./pulled-at.js";
import type { ImportProblem } from "./report.js";
import { type ImportRun, isOfOne } from "./run.js";

/** Tags and listed manifests imported concurrently. */
const rootsAtOnce = 8;

/** Blobs imported concurrently, of one manifest or of those that no manifest names. */
const blobsAtOnce = 8;

/** Bounds on the size of a malicious source's repository; a manifest costs about 200 bytes here. */
const manifestsMax = 1_000_000;
const blobsMax = 1_000_000;
/** No real image comes near. Digests rule out circles, so that this bounds only the work for a chain made to be long. */
const depthMax = 100;
/** All manifests from the source above one that is being imported are in memory: 32 of such chains at once. */
const chainBytesMax = 5 * manifestBytesMax;

const otherClient = "copy the image with another client, such as skopeo copy --all";

/** Tags of the referrers tag schema, which clients create in a registry without the referrers API. */
const referrersTag = /^([a-z0-9]+)-([0-9a-f]{64,128})$/;

/** The indexes that lead to a manifest. */
interface Chain {
  readonly depth: number;
  /** Size of those that come from the source. */
  readonly bytes: number;
}

const noChain: Chain = { depth: 0, bytes: 0 };

/** The result for a manifest or blob. A failure has already been reported. */
type Outcome = "there" | "absent" | "failed";

export class RepositoryImport {
  readonly #manifests = new Map<Digest, Promise<Outcome>>();
  /** Manifests whose referrers have not been listed yet. */
  #unasked: Digest[] = [];
  /** Checking an evicted one again costs little. */
  readonly #blobs = new LRUCache<Digest, Promise<Outcome>>(entriesMax(blobsMax));

  readonly #pulledAt: PulledAt;

  constructor(
    readonly run: ImportRun,
    readonly from: SourceRepository,
    /** Called after each tag and listed manifest. */
    readonly onRoot: () => void,
  ) {
    this.#pulledAt = new PulledAt(run.services.storage.tags, from.name);
  }

  /** Rejects if the storage fails. */
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

  /** Referrers may have referrers themselves. */
  async #referrers(): Promise<void> {
    while (this.#unasked.length > 0) {
      const added = this.#unasked;
      this.#unasked = [];
      await this.#all(added, rootsAtOnce, (subject) =>
        this.#all(this.from.referrers(subject), 1, (digest) => this.#listed(digest)),
      );
    }
  }

  /** Handles everything that the source lists, until it fails or the import is aborted. */
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
      this.#problem({ digest, what: "the source lists the manifest but does not have it" });
  }

  #manifest(digest: Digest, above = noChain): Promise<Outcome> {
    if (this.#manifests.size >= manifestsMax && !this.#manifests.has(digest))
      return this.#told({ digest }, () => {
        throw new SourceError(`the repository has more than ${manifestsMax} manifests`);
      });
    return once(this.#manifests, digest, () => {
      this.#unasked.push(digest);
      return this.#told({ digest }, () => this.#bringManifest(digest, above));
    });
  }

  #blob(digest: Digest, size?: number): Promise<Outcome> {
    return once(this.#blobs, digest, () =>
      this.#told({ digest }, async () =>
        (await bringBlob(this.run, this.from, digest, size)) ? "there" : "absent",
      ),
    );
  }

  async #bringManifest(digest: Digest, above: Chain): Promise<Outcome> {
    const { tally, options } = this.run;
    if (above.depth > depthMax)
      throw new SourceError(`indexes are nested more than ${depthMax} deep; ${otherClient}`);
    if (above.bytes > chainBytesMax)
      throw new SourceError(
        `the indexes that lead to it have more than ${chainBytesMax} bytes; ${otherClient}`,
      );
    // A manifest that is stored here was accepted before, perhaps with wider bounds.
    const own = await this.#ownManifest(digest);
    const found = own === undefined ? await this.from.manifest(digest) : undefined;
    const manifest = own?.manifest ?? (found && (await this.#parse(digest, found)));
    if (manifest === undefined) return "absent";
    const chain = { depth: above.depth + 1, bytes: above.bytes + (found?.bytes.length ?? 0) };
    const missing = await this.#bringNamed(manifest, chain);
    if (missing.length > 0) {
      this.#problem({ digest, what: `the manifest names missing content: ${missing.join(", ")}` });
      return "failed";
    }
    if (found === undefined) tally.manifests.there++;
    else {
      // Only for new manifests: existing ones were reported when they were imported.
      const mismatches = options.dryRun ? [] : await this.#push(digest, [], found);
      for (const mismatch of mismatches) this.#warn(digest, mismatch);
      tally.manifests.imported++;
    }
    return "there";
  }

  async #parse(digest: Digest, { bytes, mediaType }: SourceManifest): Promise<ManifestContent> {
    // A copy, because the reader consumes the bytes and the manifest is pushed after everything that it names.
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

  /** Imports everything that a manifest names, and returns the required objects that are missing. */
  async #bringNamed({ blobs, children }: ManifestContent, chain: Chain): Promise<Digest[]> {
    const missing: Digest[] = [];
    const look = async (digest: Digest, coming: Promise<Outcome>) => {
      const outcome = await coming;
      const mayLack = outcome === "absent" && this.run.services.rules.allowsSparse(this.from.name);
      if (outcome !== "there" && !mayLack) missing.push(digest);
    };
    await inParallel(blobs, blobsAtOnce, ({ digest, size }) => look(digest, this.#blob(digest, size)));
    for (const { digest, size, mediaType } of children) {
      const isBlob = !isManifestMediaType(mediaType);
      await look(digest, isBlob ? this.#blob(digest, size) : this.#manifest(digest, chain));
    }
    return missing;
  }

  /** Stores a manifest as the source serves it, and returns its descriptors that do not match their content. */
  async #push(
    digest: Digest,
    tags: readonly Tag[],
    { bytes, mediaType }: SourceManifest,
    pushedAt?: number,
  ): Promise<readonly Mismatch[]> {
    const reference = { kind: "digest", digest } as const;
    const permit = this.run.permit(this.from.name);
    const mismatches: Mismatch[] = [];
    const onMismatch = (mismatch: Mismatch) => mismatches.push(mismatch);
    const by = "import" as const;
    const push = { reference, tags, contentType: mediaType, bytes, pushedAt, onMismatch, by };
    await pushManifest(this.run.services, permit, push);
    return mismatches;
  }

  async #tag({ tag, digest: resolve, times }: SourceTag): Promise<void> {
    const { tally } = this.run;
    const digest = await this.#told({ tag }, resolve);
    if (digest === "failed") return;
    if (digest === undefined) {
      this.#problem({ tag, what: "the source does not know the target of the tag" });
      return;
    }
    const outcome = await this.#manifest(digest);
    if (outcome === "there" && (await this.#isListedByApi(tag, digest))) tally.tags.referrers++;
    else if (outcome === "there") await this.#told({ tag, digest }, () => this.#point(tag, digest, times));
    else if (outcome === "absent")
      this.#problem({ tag, digest, what: "the tag points to a manifest that the source does not have" });
    else this.#problem({ tag, digest, what: "the tag points to a manifest that was not imported" });
  }

  /**
   * Returns whether the tag follows the referrers tag schema (distribution-spec) and the referrers API here lists all its
   * entries. A client that uses both would see the same manifests twice, and one whose list contains the subject itself
   * would follow it in a circle.
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

  /** Reads a manifest from this registry, or from the source if it was not imported, as in a dry run. */
  async #read(digest: Digest): Promise<ManifestContent | undefined> {
    const read = await this.#told({ digest }, async () => {
      const own = await this.#ownManifest(digest);
      if (own !== undefined) return own.manifest;
      const found = await this.from.manifest(digest);
      return found && (await this.#parse(digest, found));
    });
    return read === "failed" ? undefined : read;
  }

  async #point(tag: Tag, digest: Digest, times: SourceTag["times"]): Promise<void> {
    const { tally, options, services } = this.run;
    const current = await resolveTag(services, this.from.name, tag);
    if (current !== undefined && current !== digest && options.keepTags) {
      tally.tags.kept++;
      return;
    }
    const own = options.dryRun || current === digest ? undefined : await this.#ownManifest(digest);
    if (own !== undefined)
      await this.#push(digest, [tag], { bytes: own.bytes, mediaType: "" }, times?.pushedAt);
    if (times?.pulledAt !== undefined && !options.dryRun)
      await this.#pulledAt.keep(tag, times.pulledAt, current === undefined);
    tally.tags[current === digest ? "there" : current === undefined ? "imported" : "moved"]++;
  }

  async #looseBlob(digest: Digest): Promise<void> {
    if ((await this.#blob(digest)) === "absent" && !this.#manifests.has(digest))
      this.run.tally.odd(`${this.from.name}@${digest}`, "the source lists the blob but does not have it");
  }

  /** Runs `work`, and reports an error of the source or a refusal of the registry as a problem with `about`. */
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
      what: `the manifest is imported as served: ${named === digest ? "" : `of ${named}, `}${what}`,
    });
  }

  #problem(problem: ImportProblem): void {
    this.run.tally.problem({ repository: this.from.name, ...problem });
  }
}

/** Returns the promise for `key`, and creates it if there is none. */
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
