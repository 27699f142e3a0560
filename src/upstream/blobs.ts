/**
 * Blobs of upstream registries. Each is fetched once for all who want it, and stored as a pushed one. A fetch belongs to no
 * client: a slow or disconnected one neither slows nor ends it.
 */
import { Gate, type PullPermit } from "../auth/gate.js";
import { anonymous } from "../auth/identity.js";
import { openPolicy } from "../auth/policy.js";
import { smallBlobBytesMax } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { Turns } from "../lib/turns.js";
import { type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import { pushStream } from "../registry/push-stream.js";
import type { Services } from "../registry/services.js";
import { announcedBytes, readBlob } from "../transfer/remote/blob.js";
import { discard } from "../transfer/remote/client.js";
import { BriefAnswers } from "./brief.js";
import { GrowingBlob } from "./growing-blob.js";
import { isAbsent, type Upstream } from "./upstream.js";

/** Blobs fetched at once; each has an open file and a chunk of memory. Others wait in order of arrival. */
const fetchesAtOnce = 64;

/** The cache acts for itself: it stores what the policy lets nobody push. */
export const cacheGate = new Gate(openPolicy);

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

export interface FetchCounts {
  fetched: number;
  fetchedBytes: number;
  failed: number;
}

export class UpstreamBlobs {
  readonly #fetches = new Map<string, Fetch>();
  readonly #turns = new Turns(fetchesAtOnce);
  /** Blobs that an upstream does not have. */
  readonly #absent: BriefAnswers<true>;
  /** Sizes that upstreams have told. */
  readonly #sizes: BriefAnswers<{ readonly size: number | undefined }>;
  readonly counts: FetchCounts = { fetched: 0, fetchedBytes: 0, failed: 0 };

  constructor(
    readonly services: Services,
    absentMilliseconds: number,
  ) {
    this.#absent = new BriefAnswers(absentMilliseconds);
    this.#sizes = new BriefAnswers(absentMilliseconds);
  }

  /** Resolves when no fetch is running. */
  async settled(): Promise<void> {
    await Promise.allSettled(Array.from(this.#fetches.values(), ({ done }) => done));
  }

  /** Resolves with the size of a blob that is not here. Rejects with `blob-unknown`, or if the upstream fails. */
  async size(upstream: Upstream, name: RepositoryName, remote: string, digest: Digest): Promise<number> {
    const key = `${name}@${digest}`;
    const growing = await this.#fetches.get(key)?.begun;
    if (growing !== undefined) return growing.size;
    if (this.#absent.peek(key) !== undefined) throw unknown(upstream, digest);
    const { size } = await this.#sizes.get(key, async () => ({
      size: await upstream.ask(upstream.times.answer, (late) => headSize(upstream, remote, digest, late)),
    }));
    if (size === undefined) throw unknown(upstream, digest);
    return size;
  }

  /** Resolves with a blob that is not here, perhaps while it is arriving. Rejects like `size`. */
  async pull(upstream: Upstream, permit: PullPermit, remote: string, digest: Digest): Promise<PulledBlob> {
    const { name } = permit;
    const key = `${name}@${digest}`;
    if (this.#absent.peek(key) !== undefined) throw unknown(upstream, digest);
    const fetch = this.#fetches.get(key) ?? this.#begin(upstream, name, remote, digest, key);
    const growing = await fetch.begun;
    // Without a holder its file is closed, because the storage has the blob.
    if (growing?.isHeld === true) return { size: growing.size, file: growing.hold() };
    if (!(await fetch.done)) throw unknown(upstream, digest);
    return pullBlob(this.services, permit, digest);
  }

  #begin(upstream: Upstream, name: RepositoryName, remote: string, digest: Digest, key: string): Fetch {
    let begin: (growing: GrowingBlob | undefined) => void = () => {};
    const announced = new Promise<GrowingBlob | undefined>((resolve) => {
      begin = resolve;
    });
    const done = this.#once(key, name, digest, () =>
      this.#run(upstream, name, remote, digest, begin),
    ).finally(() => this.#fetches.delete(key));
    done.catch(() => {});
    const begun = Promise.race([announced, done.then(() => undefined)]);
    begun.catch(() => {});
    const fetch = { begun, done };
    this.#fetches.set(key, fetch);
    return fetch;
  }

  /** Runs the fetch unless another node does; then waits for that one. */
  async #once(
    key: string,
    name: RepositoryName,
    digest: Digest,
    run: () => Promise<boolean>,
  ): Promise<boolean> {
    const { cluster, storage } = this.services;
    let found: boolean | undefined;
    await cluster.once(`upstream ${key}`, async () => {
      found = await run();
    });
    return found ?? (await storage.blobs.size(name, digest)) !== undefined;
  }

  async #run(
    upstream: Upstream,
    name: RepositoryName,
    remote: string,
    digest: Digest,
    begin: (growing: GrowingBlob | undefined) => void,
  ): Promise<boolean> {
    upstream.demandOnline();
    await this.#turns.begin();
    let growing: GrowingBlob | undefined;
    const onBegin = (size: number | undefined) => {
      if (size === undefined || size <= smallBlobBytesMax) return;
      const file = this.services.storage.uploads.openScratchFile();
      growing = new GrowingBlob(size, file, this.services.caches.openBlobs.chunks);
      begin(growing);
    };
    try {
      const path = `/v2/${upstream.remoteName(remote)}/blobs/${digest}`;
      const bytes = readBlob(upstream.client, upstream.remoteName(remote), path, {
        size: undefined,
        rate: undefined,
        signal: upstream.signal,
        onBegin,
      });
      const permit = cacheGate.push(anonymous, name);
      await pushStream(
        this.services,
        permit,
        digest,
        this.#passing(bytes, () => growing),
      );
      upstream.succeeded();
      growing?.verified();
      this.counts.fetched++;
      return true;
    } catch (error) {
      if (isAbsent(error)) {
        this.#absent.set(`${name}@${digest}`, true);
        return false;
      }
      this.counts.failed++;
      const failure = isMismatch(error)
        ? new RegistryError(
            "upstream-failed",
            `the upstream ${upstream.name} sent other bytes than ${digest}`,
          )
        : upstream.failed(error);
      growing?.fail(failure);
      throw failure;
    } finally {
      this.#turns.end();
    }
  }

  /** Passes the bytes on, and lets readers have them, too. */
  async *#passing(
    bytes: AsyncIterable<Uint8Array>,
    growing: () => GrowingBlob | undefined,
  ): AsyncIterable<Uint8Array> {
    for await (const chunk of bytes) {
      this.counts.fetchedBytes += chunk.length;
      await growing()?.add(chunk);
      yield chunk;
    }
  }
}

function isMismatch(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "digest-mismatch";
}

/** Rejects with `AnswerError`. */
async function headSize(
  upstream: Upstream,
  remote: string,
  digest: Digest,
  late: AbortSignal,
): Promise<number | undefined> {
  const repository = upstream.remoteName(remote);
  const path = `/v2/${repository}/blobs/${digest}`;
  const answer = await upstream.client.request(repository, path, {}, "HEAD", late);
  await discard(answer);
  upstream.client.demandSuccess(answer, path);
  return announcedBytes(answer);
}

function unknown({ name }: Upstream, digest: Digest): RegistryError {
  return new RegistryError("blob-unknown", `neither this registry nor ${name} has such a blob here`, {
    digest,
  });
}
