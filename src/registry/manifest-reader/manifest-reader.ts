/**
 * Reads manifests: small ones at once, large ones in a thread of their own, because parsing 4 MiB of JSON can delay other
 * clients for too long. A single thread, so that many large manifests wait for each other instead of occupying all cores.
 */
import type { Digest } from "../../domain/digest.js";
import type { Manifest, ManifestBounds, ManifestContent } from "../../domain/manifest.js";
import type { ManifestFacts } from "../../domain/manifest-facts.js";
import type { ManifestMediaType } from "../../domain/media-type.js";
import { type Mismatch, type PushedBytes, readPushed } from "../../domain/pushed-manifest.js";
import { readFacts, readStored } from "../../domain/stored-manifest.js";
import { IdlePool } from "../../lib/idle-pool.js";
import { type Answer, type ManifestTasks, unwrap } from "./manifest-protocol.js";
import { unpackManifest, unpackMismatches, unpackPushed } from "./packed-manifest.js";

/** Reading a manifest of this size takes at most 5 ms regardless of its content; nearly all manifests are smaller. */
const inlineBytesMax = 64 * 1024;

const workerFile = new URL("../../../workers/manifests/manifests.js", import.meta.url);

/** A pushed manifest as the main thread needs it. */
export interface PushedRead {
  readonly manifest: ManifestContent;
  readonly digest: Digest;
  readonly mismatches: Iterable<Mismatch>;
  /** Replaces the buffer that was passed in: a large one is transferred to the thread and back. */
  readonly bytes: Buffer;
}

export class ManifestReader {
  readonly #pool: IdlePool;

  constructor(
    readonly bounds: ManifestBounds,
    onError: (error: unknown) => void,
  ) {
    this.#pool = new IdlePool({ file: workerFile, threads: 1, onError });
  }

  /** Reads a pushed manifest. Consumes `pushed.bytes`. Rejects with `manifest-invalid`. */
  async pushed(pushed: Omit<PushedBytes, "bounds"> & { readonly bytes: Buffer }): Promise<PushedRead> {
    const task = { ...pushed, bounds: this.bounds };
    if (isSmall(pushed.bytes)) return { ...(await readPushed(task)), bytes: pushed.bytes };
    const bytes = movable(pushed.bytes);
    const { manifest, mismatches, ...read } = await this.#run("pushed", { ...task, bytes }, [bytes.buffer]);
    return {
      digest: read.digest,
      manifest: unpackPushed(manifest),
      mismatches: unpackMismatches(mismatches),
      bytes: Buffer.from(read.bytes.buffer, read.bytes.byteOffset, read.bytes.length),
    };
  }

  /** Returns the manifest stored as `digest`, or `undefined` if the bytes do not have the digest or are no manifest. */
  async stored(bytes: Uint8Array, digest: Digest): Promise<Manifest | undefined> {
    if (isSmall(bytes)) return await readStored(bytes, digest);
    const manifest = await this.#run("stored", { bytes, digest });
    return manifest && unpackManifest(manifest);
  }

  /** Returns only its media type, which costs less for a large manifest. */
  async storedMediaType(bytes: Uint8Array, digest: Digest): Promise<ManifestMediaType | undefined> {
    if (isSmall(bytes)) return (await readStored(bytes, digest))?.mediaType;
    return await this.#run("mediaType", { bytes, digest });
  }

  /** Returns what people want to know about it, like `stored`. */
  async facts(bytes: Uint8Array, digest: Digest): Promise<ManifestFacts | undefined> {
    if (isSmall(bytes)) return readFacts(bytes, digest);
    return this.#run("facts", { bytes, digest });
  }

  async #run<K extends keyof ManifestTasks>(
    name: K,
    task: ManifestTasks[K]["task"],
    moved: readonly ArrayBuffer[] = [],
  ): Promise<ManifestTasks[K]["value"]> {
    return unwrap((await this.#pool.run(name, task, moved)) as Answer<ManifestTasks[K]["value"]>);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Returns the bytes as the only content of an `ArrayBuffer`, which can be transferred; copies them if they share one. */
function movable(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, length } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === length
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}

function isSmall({ length }: Uint8Array): boolean {
  return length <= inlineBytesMax;
}
