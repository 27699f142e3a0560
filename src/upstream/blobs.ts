/**
 * Blobs of upstream registries. Each is fetched once for all who want it, and stored as a pushed one. A fetch belongs to no
 * client: a slow or disconnected one neither slows nor ends it.
 */
import type { ReadableBlob } from "../cache/open-blobs.js";
import { Abandoned, type Reporter } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { noSpans } from "../lib/spans.js";
import { Turns } from "../lib/turns.js";
import { headBlob, type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import type { Services } from "../registry/services.js";
import { discard } from "../transfer/remote/answer.js";
import { announcedBytes } from "../transfer/remote/blob.js";
import { BriefAnswers } from "./brief.js";
import type { UpstreamCounts } from "./counts.js";
import type { Evictor } from "./evictor.js";
import { type FetchOptions, type FetchParts, fetchBlob, newGrowingBlob, pathOf } from "./fetch-blob.js";
import { Following } from "./following.js";
import type { GrowingBlob } from "./growing-blob.js";
import type { Mirrored } from "./mirrored.js";
import { SharedAnswers } from "./shared-answers.js";
import { Sharing } from "./sharing.js";

/** Slices in memory at once, to be stored and to be followed: up to 8 MiB each. */
const slicesAtOnce = 4;

/** Blobs that clients of this node follow while other nodes fetch them; each has an open file and a chunk of memory. */
const followingsMax = 64;

/** A blob that is being fetched. */
interface Fetch {
  /**
   * Resolves with the blob to follow, or with `undefined` if readers must wait for `done`: it is small, or the upstream does
   * not say how large it is. Rejects like `done`.
   */
  readonly begun: Promise<GrowingBlob | undefined>;
  /** Resolves with whether the repository has the blob now. Rejects with `upstream-failed` or the storage's error. */
  readonly done: Promise<boolean>;
}

export class UpstreamBlobs {
  readonly #fetches = new Map<string, Fetch>();
  /** Blobs that an upstream does not have. */
  readonly #absent: BriefAnswers<true>;
  /** Sizes that upstreams have told. */
  readonly #sizes: BriefAnswers<{ readonly size: number | undefined }>;

  readonly #shared: SharedAnswers;
  readonly #slicesWritten = new Turns(slicesAtOnce);
  readonly #slicesRead = new Turns(slicesAtOnce);
  /** Those that clients of this node follow. */
  readonly #followings = new Set<Following>();
  /** Fetches whose slices are being removed. */
  readonly #endings = new Set<Promise<void>>();

  constructor(
    readonly services: Services,
    /** Makes room for what is fetched. */
    readonly room: Pick<Evictor, "added" | "makeRoom">,
    readonly blobBytesMax: number,
    readonly onFetchError: FetchParts["onFetchError"],
    absentMilliseconds: number,
  ) {
    this.#absent = new BriefAnswers(absentMilliseconds);
    this.#shared = new SharedAnswers(services.cluster.hints, "blob", absentMilliseconds);
    this.#sizes = new BriefAnswers(absentMilliseconds);
  }

  isFetching(name: RepositoryName, digest: Digest): boolean {
    return this.#fetches.has(`${name}@${digest}`);
  }

  /** Resolves when no fetch is running. */
  async settled(): Promise<void> {
    await Promise.allSettled(Array.from(this.#fetches.values(), ({ done }) => done));
    await Promise.allSettled(this.#endings);
  }

  /** Resolves with the size of a blob that is not here. Rejects with `blob-unknown`, or if the upstream fails. */
  async size(from: Mirrored, digest: Digest): Promise<number> {
    const { upstream, permit, client } = from;
    const key = `${permit.name}@${digest}`;
    const isAbsent = this.#absent.peek(key) !== undefined;
    const isAsking = this.#fetches.has(key) || this.#sizes.isAsking(key);
    from.note("blob", isAbsent ? "absent" : isAsking ? "joined" : "miss");
    const growing = await this.#fetches.get(key)?.begun;
    if (growing !== undefined) return growing.size;
    if (isAbsent) throw unknown(from, digest);
    const ask = () => upstream.ask(upstream.times.answer, (late) => headSize(from, digest, late));
    const { size } = await this.#sizes.get(key, async () => ({ size: await upstream.inTurn(client, ask) }));
    if (size === undefined) throw unknown(from, digest);
    if (size !== unannounced) return size;
    await this.fetch(from, digest);
    return headBlob(this.services, from.permit, digest);
  }

  /** Resolves with a blob that is not here, perhaps while it is arriving. Rejects like `size`. */
  async pull(from: Mirrored, digest: Digest, mayRedirect?: boolean): Promise<PulledBlob> {
    const key = `${from.permit.name}@${digest}`;
    const isAbsent = this.#absent.peek(key) !== undefined;
    const running = this.#fetches.get(key);
    from.note("blob", isAbsent ? "absent" : running === undefined ? "miss" : "joined");
    if (isAbsent) throw unknown(from, digest);
    const fetch = running ?? this.#begin(from, digest, key);
    const { counts } = from.upstream;
    counts.followers++;
    try {
      const growing = await fetch.begun;
      // Without a holder its file is closed, because the storage has the blob.
      if (growing?.canBeFollowed === true) return { size: growing.size, file: follow(growing, counts) };
      if (!(await fetch.done)) throw unknown(from, digest);
    } finally {
      counts.followers--;
    }
    return pullBlob(this.services, from.permit, digest, noSpans, mayRedirect);
  }

  /** Resolves when a blob that was not here is here. Rejects like `size`. */
  async fetch(from: Mirrored, digest: Digest): Promise<void> {
    const key = `${from.permit.name}@${digest}`;
    if (this.#absent.peek(key) !== undefined) throw unknown(from, digest);
    const { done } = this.#fetches.get(key) ?? this.#begin(from, digest, key);
    if (!(await done)) throw unknown(from, digest);
  }

  #begin(from: Mirrored, digest: Digest, key: string): Fetch {
    let begin: (growing: GrowingBlob | undefined) => void = () => {};
    const announced = new Promise<GrowingBlob | undefined>((resolve) => {
      begin = resolve;
    });
    const { upstream, client } = from;
    let running: Promise<boolean> | undefined;
    // The client's turn ends when the blob begins to arrive.
    const begun = upstream.inTurn(client, () => {
      running = this.#once(from, digest, key, begin);
      return Promise.race([announced, running.then(() => undefined)]);
    });
    const done = begun.then(async () => (await running) === true).finally(() => this.#fetches.delete(key));
    // Each client that waits gets the error.
    done.catch(() => {});
    const fetch = { begun, done };
    this.#fetches.set(key, fetch);
    return fetch;
  }

  /** Runs the fetch unless another node does; then follows that one. */
  async #once(
    from: Mirrored,
    digest: Digest,
    key: string,
    begin: (growing: GrowingBlob) => void,
  ): Promise<boolean> {
    const { blobs } = this.services.storage;
    const { name } = from.permit;
    let found: boolean | undefined;
    const isHere = async () => (await blobs.size(name, digest)) !== undefined;
    const following = this.#newFollowing(begin);
    const work = async (reporter: Reporter) => {
      // Another fetch may have ended since the caller looked.
      found = await isHere();
      if (found) return;
      if (await this.#shared.isAbsent(key)) this.#absent.set(key, true);
      else found = await this.#fetch(from, digest, { begin, following, reporter });
    };
    try {
      await this.services.cluster.once(`fetch blob ${key}`, work, (note) => following?.note(note));
      found ??= await isHere();
      if (found) await following?.finish(() => blobs.open(name, digest));
      else await following?.fail(unknown(from, digest));
      return found;
    } catch (thrown) {
      const error = thrown instanceof Abandoned ? thrown.cause : thrown;
      await following?.fail(error);
      throw error;
    } finally {
      if (following !== undefined) this.#followings.delete(following);
    }
  }

  #newFollowing(begin: (growing: GrowingBlob) => void): Following | undefined {
    const { services } = this;
    const { slices } = services.storage;
    const following =
      slices &&
      new Following(slices, this.#slicesRead, (size) => {
        if (following === undefined || this.#followings.size >= followingsMax) return undefined;
        const growing = newGrowingBlob(services, size);
        this.#followings.add(following);
        begin(growing);
        return growing;
      });
    return following;
  }

  async #fetch(
    from: Mirrored,
    digest: Digest,
    {
      begin,
      following,
      reporter,
    }: Pick<FetchOptions, "begin"> & { following: Following | undefined; reporter: Reporter },
  ): Promise<boolean> {
    const { upstream } = from;
    const { storage, cluster } = this.services;
    const { slices } = storage;
    upstream.demandOnline();
    await upstream.fetches.begin();
    const sharing = slices && new Sharing(cluster.uploads.newId(), slices, reporter, this.#slicesWritten);
    let isStored = false;
    try {
      const growing = await following?.handOver();
      isStored = await fetchBlob(this, from, digest, { growing, begin, sharing });
      if (!isStored) this.#setAbsent(`${from.permit.name}@${digest}`);
      return isStored;
    } catch (error) {
      throw upstream.signal.aborted ? new Abandoned("this node stops", { cause: error }) : error;
    } finally {
      upstream.fetches.end();
      if (sharing !== undefined) this.#end(sharing, isStored);
    }
  }

  #setAbsent(key: string): void {
    this.#absent.set(key, true);
    this.#shared.setAbsent(key);
  }

  /** Nobody waits for the last slice to be removed, except for the end of this node. */
  #end(sharing: Sharing, isStored: boolean): void {
    const ending = sharing.end(isStored).finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }
}

/** Counts a client until it has received the blob or has disconnected. */
function follow(growing: GrowingBlob, counts: UpstreamCounts): ReadableBlob {
  counts.followers++;
  const { size, reader } = growing.hold();
  return {
    size,
    reader,
    at: (position) => growing.at(position),
    readAhead: (position) => growing.readAhead(position),
    release: () => {
      counts.followers--;
      growing.release();
    },
  };
}

/** Stands for the size of a blob that the upstream has, but does not tell the size of. */
const unannounced = -1;

/** Rejects with `AnswerError`. */
async function headSize(
  { upstream: { client }, remote }: Mirrored,
  digest: Digest,
  late: AbortSignal,
): Promise<number> {
  const path = pathOf(remote, digest);
  const answer = await client.request(remote, path, {}, "HEAD", late);
  await discard(answer);
  client.demandSuccess(answer, path);
  return announcedBytes(answer) ?? unannounced;
}

function unknown({ upstream: { name } }: Mirrored, digest: Digest): RegistryError {
  return new RegistryError("blob-unknown", `neither this registry nor ${name} has such a blob here`, {
    digest,
  });
}
