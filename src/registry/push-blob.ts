/** Pushing blobs (distribution-spec, end-4 to end-6, end-13, end-14): every way ends in the same commit. */
import type { PushPermit } from "../auth/gate.js";
import { type Algorithm, algorithmOf, type Digest, defaultAlgorithm } from "../domain/digest.js";
import { ChunkOutOfOrder, RegistryError } from "../domain/errors.js";
import type { ByteRange } from "../domain/range.js";
import type { HeldBytes } from "../lib/held-bytes.js";
import { noSpans, type Spans } from "../lib/spans.js";
import { BodyWriter, type Flow } from "../uploads/body-writer.js";
import type { Session } from "../uploads/session.js";
import type { Services } from "./services.js";

/** An upload of a slab at most, and its seal some milliseconds. */
const sealedInPlaceBytesMax = 1024 * 1024;

/** Published when damaged bytes may have been replaced. */
const healing = { kind: "blobs-healed" } as const;

/** What a request says of the body that it brings. */
export interface BodyClaim {
  /** `Content-Range`, where there is one. */
  readonly range: ByteRange | undefined;
  /** `Content-Length`, where there is one. */
  readonly length: number | undefined;
  /** The digest of the whole blob, where the body is the last of it. */
  readonly closing: Digest | undefined;
}

/**
 * Opens a session that counts for `client`. `announced` is the algorithm that the client says it will use. Throws
 * `too-many-requests`.
 */
export function openUpload(
  { sessions }: Services,
  { name, identity }: PushPermit,
  announced: Algorithm | undefined,
  client: string,
): Session {
  const algorithm = announced ?? defaultAlgorithm;
  const opener = identity.subject;
  return sessions.open({ name, opener, client, algorithm, announced: announced !== undefined });
}

/** A session for an upload that comes whole at once: no client is told of it, and none can have too many. */
export function openSingleUpload(
  { sessions }: Services,
  { name, identity }: PushPermit,
  announced: Algorithm | undefined,
): Session {
  const algorithm = announced ?? defaultAlgorithm;
  const opener = identity.subject;
  return sessions.openUncounted({
    name,
    opener,
    client: opener,
    algorithm,
    announced: announced !== undefined,
  });
}

/** The session of an upload, its opener's alone. Throws or rejects with `upload-unknown`. */
export function findUpload(
  { sessions }: Services,
  { name, identity }: PushPermit,
  id: string,
): Session | Promise<Session> {
  return sessions.find({ name, opener: identity.subject }, id);
}

/** Ends a session and drops its bytes. Throws `upload-busy`. */
export async function cancelUpload({ sessions }: Services, session: Session): Promise<void> {
  session.claim();
  await sessions.close(session);
}

/** One request's body on its way into the blob. */
export class IncomingBody {
  readonly #start: number;
  readonly #writer: BodyWriter;
  #length = 0;
  /** Under way where the storage was full. */
  #freed: Promise<void> | undefined;

  /**
   * Claims the session for one body. Throws `chunk-out-of-order`, `size-invalid`, `digest-invalid` or
   * `upload-busy`, and then the session is as it was.
   */
  constructor(
    readonly services: Services,
    readonly session: Session,
    readonly claim: BodyClaim,
    flow: Flow,
    readonly spans: Spans = noSpans,
  ) {
    const { range, length, closing } = claim;
    if (closing !== undefined && session.announced && algorithmOf(closing) !== session.algorithm) {
      throw new RegistryError("digest-invalid", `this upload was announced as ${session.algorithm}`, {
        digest: closing,
      });
    }
    session.claim();
    this.#start = session.received;
    try {
      if (range !== undefined) checkRange(range, length, session);
    } catch (error) {
      session.enter("idle");
      throw error;
    }
    if (session.received === 0 && closing !== undefined) session.algorithm = algorithmOf(closing);
    // A body that brings all at once is not worth a session on disk.
    session.upload ??= services.storage.uploads.begin(session.id, session, closing === undefined);
    session.upload.algorithm = session.algorithm;
    this.#writer = new BodyWriter(session, session.upload, services.slabs, flow, (error) => {
      if (error instanceof RegistryError && error.kind === "storage-full") this.#freed = this.#free();
    });
  }

  /** What kept the body from being written, if anything did. */
  get failure(): unknown {
    return this.#writer.failure;
  }

  /** Bytes of the blob, up to what has come of this body. */
  get size(): number {
    return this.#start + this.#length;
  }

  write(chunk: Uint8Array): void {
    this.#length += chunk.length;
    this.#writer.write(chunk);
  }

  /** Takes bytes that came before there was anyone to take them. */
  adopt(held: HeldBytes): void {
    this.#length += held.length;
    this.#writer.adopt(held);
  }

  /** Ends a body that leaves the upload open. Rejects with `size-invalid` or what the storage failed with. */
  async end(): Promise<void> {
    try {
      await this.#writer.end().finally(() => this.#writer.times.tell(this.spans));
      this.#checkLength();
    } catch (error) {
      await this.#giveUp(!(error instanceof RegistryError && error.kind === "size-invalid"));
      throw error;
    }
    this.session.enter("idle");
  }

  /** Ends the upload: when this resolves the blob is there to stay. Rejects with `digest-mismatch` too. */
  async commit(expected: Digest): Promise<void> {
    try {
      this.#checkLength();
    } catch (error) {
      await this.#giveUp(false);
      throw error;
    }
    try {
      // What takes its time is not done with the repository's lock held.
      if (this.size > sealedInPlaceBytesMax) await this.#writer.seal(expected);
      await this.#commit(expected);
    } catch (error) {
      await this.#writer.abort();
      await this.#freed;
      const closed = this.#close();
      // Before the client is told: who tries again finds the room that this one took.
      if (!this.#writer.upload.isLost) await closed;
      throw error;
    } finally {
      this.#writer.times.tell(this.spans);
    }
    void this.#close();
  }

  async #commit(digest: Digest): Promise<void> {
    const { services, session, spans } = this;
    const { name } = session;
    const { changes } = services.cluster;
    await services.cluster.repositoryLocks.shared(name, async () => {
      const { healed } = await this.#writer.commit(name, digest, spans).catch(async (error: unknown) => {
        // It may have replaced damaged bytes, here and in other repositories, before it failed.
        if (error instanceof RegistryError && error.kind === "storage-failed") await changes.publish(healing);
        throw error;
      });
      // Used up: there is nothing left to remove.
      session.upload = undefined;
      if (healed) await changes.publish(healing);
      services.cluster.leases.grant(`${name}@${digest}`);
      services.caches.blobStored(name, digest, this.size);
    });
  }

  /** The blob is linked, or it never will be: what is left of the upload goes. Never rejects. */
  async #close(): Promise<void> {
    const { sessions, onBackgroundError } = this.services;
    await sessions.close(this.session).catch(onBackgroundError);
  }

  /** The client has gone. What a PATCH has brought stays, to go on with; what came to close the upload does not. */
  async abort(): Promise<void> {
    await this.#writer.abort();
    await this.#giveUp(this.claim.closing === undefined);
  }

  async #giveUp(keep: boolean): Promise<void> {
    const { services, session } = this;
    await this.#writer.abort();
    await this.#freed;
    if (session.state !== "receiving") return;
    if (this.#writer.upload.isLost) return services.sessions.close(session);
    if (!keep) await this.#rollBack(this.#start);
    session.enter("idle");
  }

  /**
   * The storage is full: what this body has brought makes room for others at once, though more of it may come for long.
   * Only what the client has been told of stays, for it to go on with.
   */
  async #free(): Promise<void> {
    await this.#writer.abort();
    if (this.#writer.upload.isLost) return;
    await this.#rollBack(Math.max(this.#start, this.session.acknowledged));
  }

  /** Never rejects: bytes that cannot be cut off now are cut off by the next append. */
  async #rollBack(bytes: number): Promise<void> {
    const { sessions, onBackgroundError } = this.services;
    await sessions.rollBack(this.session, bytes).catch(onBackgroundError);
  }

  /** Where the body came without a length, its range can only be checked at its end. */
  #checkLength(): void {
    const { range } = this.claim;
    if (range !== undefined && range.last - range.first + 1 !== this.#length) throw lie(range, this.#length);
  }
}

/** Chunks MUST be uploaded in order (distribution-spec, «Pushing a blob in chunks»). */
function checkRange(range: ByteRange, length: number | undefined, session: Session): void {
  if (range.first !== session.received) {
    throw new ChunkOutOfOrder(session, `${range.first}-${range.last}`);
  }
  if (length !== undefined && range.last - range.first + 1 !== length) throw lie(range, length);
}

function lie(range: ByteRange, length: number): RegistryError {
  return new RegistryError("size-invalid", "the chunk does not have the length that its Content-Range says", {
    contentRange: `${range.first}-${range.last}`,
    length,
  });
}
