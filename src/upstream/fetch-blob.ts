/** Fetches one blob from an upstream, stores it, and lets clients and other nodes follow it meanwhile. */
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import { smallBlobBytesMax } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { pushStream } from "../registry/push-stream.js";
import type { Services } from "../registry/services.js";
import { readBlob } from "../transfer/remote/blob.js";
import { SourceError } from "../transfer/source.js";
import type { Evictor } from "./evictor.js";
import { isAbsent } from "./failure.js";
import { GrowingBlob } from "./growing-blob.js";
import type { Mirrored } from "./mirrored.js";
import { demandSpace, unannouncedBytesMax, withRoom } from "./room.js";
import type { Sharing } from "./sharing.js";

export interface FetchParts {
  readonly services: Services;
  /** Makes room for what is fetched. */
  readonly room: Pick<Evictor, "added" | "makeRoom">;
  readonly blobBytesMax: number;
  /** Called if a fetch fails: clients that follow it see a broken connection, and no reason. */
  readonly onFetchError: (error: RegistryError) => void;
}

export interface FetchOptions {
  /** A blob that clients follow already, because another node has begun to fetch it. The fetch ends it. */
  readonly growing: GrowingBlob | undefined;
  /** Called with the blob to follow, unless it is small or of unknown size. The fetch ends it. */
  readonly begin: (growing: GrowingBlob) => void;
  /** Absent if no other node can follow. */
  readonly sharing: Sharing | undefined;
}

/** Returns a blob for clients to follow. Its creator holds it. */
export function newGrowingBlob({ caches, storage }: Services, size: number): GrowingBlob {
  return new GrowingBlob(size, storage.uploads.openScratchFile(), caches.openBlobs.chunks);
}

/** Resolves with whether the upstream has the blob, which is stored then. Rejects with `upstream-failed` or the storage's error. */
export async function fetchBlob(
  { services, room, blobBytesMax, onFetchError }: FetchParts,
  { upstream, permit, remote }: Mirrored,
  digest: Digest,
  options: FetchOptions,
): Promise<boolean> {
  const { begin, sharing } = options;
  let { growing } = options;
  let late = new AbortController();
  let announced = 0;
  let passed = 0;
  const fetch = async () => {
    late = new AbortController();
    const timer = setTimeout(() => late.abort(), upstream.times.answer);
    const space = await services.storage.volume.space();
    const onBegin = (size: number | undefined) => {
      clearTimeout(timer);
      if (growing !== undefined && growing.size !== size) throw new SourceError(changed);
      if (size === undefined) return;
      announced = size;
      demandAllowed(size, digest, blobBytesMax);
      demandSpace(size, space);
      if (size <= smallBlobBytesMax) return;
      if (growing === undefined) {
        growing = newGrowingBlob(services, size);
        begin(growing);
      }
      sharing?.add(growing);
    };
    try {
      const bytes = readBlob(upstream.client, remote, pathOf(remote, digest), {
        size: unannouncedBytesMax(blobBytesMax, space),
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
    await withRoom(room, () => announced, fetch);
    upstream.succeeded();
    growing?.verified();
    room.added(passed);
    return true;
  } catch (error) {
    if (isAbsent(error) && growing === undefined) {
      upstream.succeeded("not_found");
      return false;
    }
    const wrong = `the upstream ${upstream.name} sent other bytes than ${digest}`;
    const cause = isMismatch(error) ? new RegistryError("upstream-failed", wrong) : error;
    const failure = upstream.failed(cause, late.signal);
    growing?.fail(failure);
    if (!upstream.signal.aborted) onFetchError(failure);
    throw failure;
  } finally {
    upstream.counts.fetching--;
  }
}

/** Throws `SourceError` if no blob may be that large. */
function demandAllowed(bytes: number, digest: Digest, bytesMax: number): void {
  if (bytes > bytesMax)
    throw new SourceError(
      `it announces ${bytes} bytes for ${digest}, and the setting proxy.blobmib allows ${bytesMax}`,
    );
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

function isMismatch(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "digest-mismatch";
}

export function pathOf(remote: string, digest: Digest): string {
  return `/v2/${remote}/blobs/${digest}`;
}
