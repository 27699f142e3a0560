/**
 * Blobs of upstream registries. Each is fetched once for all who want it, and stored as a pushed one. A fetch belongs to no
 * client: a slow or disconnected one neither slows nor ends it.
 */
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import { smallBlobBytesMax } from "../cache/caches.js";
import type { ReadableBlob } from "../cache/open-blobs.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { noSpans } from "../lib/spans.js";
import { type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import { pushStream } from "../registry/push-stream.js";
import type { Services } from "../registry/services.js";
import { announcedBytes, readBlob } from "../transfer/remote/blob.js";
import { discard } from "../transfer/remote/client.js";
import { SourceError } from "../transfer/source.js";
import { BriefAnswers } from "./brief.js";
import type { UpstreamCounts } from "./counts.js";
import type { Evictor } from "./evictor.js";
import { GrowingBlob } from "./growing-blob.js";
import type { Mirrored } from "./mirrored.js";
import { demandSpace, unannouncedBytesMax, withRoom } from "./room.js";
import { isAbsent } from "./upstream.js";

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

  constructor(
    readonly services: Services,
    /** Makes room for what is fetched. */
    readonly room: Pick<Evictor, "added" | "makeRoom">,
    readonly blobBytesMax: number,
    absentMilliseconds: number,
  ) {
    this.#absent = new BriefAnswers(absentMilliseconds);
    this.#sizes = new BriefAnswers(absentMilliseconds);
  }

  isFetching(name: RepositoryName, digest: Digest): boolean {
    return this.#fetches.has(`${name}@${digest}`);
  }

  /** Resolves when no fetch is running. */
  async settled(): Promise<void> {
    await Promise.allSettled(Array.from(this.#fetches.values(), ({ done }) => done));
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
    return size;
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
      if (growing?.isHeld === true) return { size: growing.size, file: follow(growing, counts) };
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

  /** Runs the fetch unless another node does; then waits for that one. */
  async #once(
    from: Mirrored,
    digest: Digest,
    key: string,
    begin: (growing: GrowingBlob | undefined) => void,
  ): Promise<boolean> {
    const { cluster, storage } = this.services;
    const { upstream, permit } = from;
    let found: boolean | undefined;
    const isHere = async () => (await storage.blobs.size(permit.name, digest)) !== undefined;
    await cluster.once(`upstream ${key}`, async () => {
      // Another fetch may have ended since the caller looked.
      found = await isHere();
      if (found) return;
      upstream.demandOnline();
      await upstream.fetches.begin();
      try {
        found = await this.#run(from, digest, begin);
      } finally {
        upstream.fetches.end();
      }
    });
    return found ?? isHere();
  }

  async #run(
    { upstream, permit, remote }: Mirrored,
    digest: Digest,
    begin: (growing: GrowingBlob | undefined) => void,
  ): Promise<boolean> {
    const { services } = this;
    let late = new AbortController();
    let growing: GrowingBlob | undefined;
    let announced = 0;
    let passed = 0;
    const fetch = async () => {
      late = new AbortController();
      const timer = setTimeout(() => late.abort(), upstream.times.answer);
      const space = await services.storage.volume.space();
      const onBegin = (size: number | undefined) => {
        clearTimeout(timer);
        if (size === undefined) return;
        announced = size;
        this.#demandAllowed(size, digest);
        demandSpace(size, space);
        if (growing !== undefined && growing.size !== size) throw new SourceError(changed);
        if (size <= smallBlobBytesMax || growing !== undefined) return;
        const file = services.storage.uploads.openScratchFile();
        growing = new GrowingBlob(size, file, services.caches.openBlobs.chunks);
        begin(growing);
      };
      try {
        const bytes = readBlob(upstream.client, remote, pathOf(remote, digest), {
          size: unannouncedBytesMax(this.blobBytesMax, space),
          rate: upstream.rate,
          signal: upstream.signal,
          late: late.signal,
          onBegin,
        });
        passed = 0;
        const passing = passOn(bytes, (chunk) => {
          upstream.counts.fetchedBytes += chunk.length;
          const added = growing?.addAt(passed, chunk);
          passed += chunk.length;
          return added;
        });
        await pushStream(services, ownGate.push(anonymous, permit.name), digest, passing);
      } finally {
        clearTimeout(timer);
      }
    };
    upstream.counts.fetching++;
    try {
      await withRoom(this.room, () => announced, fetch);
      upstream.succeeded();
      growing?.verified();
      this.room.added(passed);
      return true;
    } catch (error) {
      if (isAbsent(error) && growing === undefined) {
        upstream.succeeded("not_found");
        this.#absent.set(`${permit.name}@${digest}`, true);
        return false;
      }
      const wrong = `the upstream ${upstream.name} sent other bytes than ${digest}`;
      const cause = isMismatch(error) ? new RegistryError("upstream-failed", wrong) : error;
      const failure = upstream.failed(cause, late.signal);
      growing?.fail(failure);
      throw failure;
    } finally {
      upstream.counts.fetching--;
    }
  }

  /** Throws `SourceError` if no blob may be that large. */
  #demandAllowed(bytes: number, digest: Digest): void {
    if (bytes > this.blobBytesMax)
      throw new SourceError(
        `it announces ${bytes} bytes for ${digest}, and the setting proxy.blobmib allows ${this.blobBytesMax}`,
      );
  }
}

const changed = "its answer to the second request for a blob differs from the first";

/** Passes the bytes on, and lets readers have them, too. */
async function* passOn(
  bytes: AsyncIterable<Uint8Array>,
  toReaders: (chunk: Uint8Array) => Promise<void> | undefined,
): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    await toReaders(chunk);
    yield chunk;
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

function isMismatch(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "digest-mismatch";
}

function pathOf(remote: string, digest: Digest): string {
  return `/v2/${remote}/blobs/${digest}`;
}

/** Rejects with `AnswerError`. */
async function headSize(
  { upstream: { client }, remote }: Mirrored,
  digest: Digest,
  late: AbortSignal,
): Promise<number | undefined> {
  const path = pathOf(remote, digest);
  const answer = await client.request(remote, path, {}, "HEAD", late);
  await discard(answer);
  client.demandSuccess(answer, path);
  return announcedBytes(answer);
}

function unknown({ upstream: { name } }: Mirrored, digest: Digest): RegistryError {
  return new RegistryError("blob-unknown", `neither this registry nor ${name} has such a blob here`, {
    digest,
  });
}
