/** Pushes blobs (distribution-spec, end-4 to end-6, end-13, end-14). Every kind of upload ends in the same commit. */
import type { PushPermit } from "../auth/gate.js";
import { type Algorithm, algorithmOf, type Digest, defaultAlgorithm } from "../domain/digest.js";
import { attempt, ChunkOutOfOrder, type ErrorKind, RegistryError } from "../domain/errors.js";
import type { ByteRange } from "../domain/range.js";
import type { HeldBytes } from "../lib/held-bytes.js";
import { noSpans, type Spans } from "../lib/spans.js";
import { BodyWriter, type Flow } from "../uploads/body-writer.js";
import type { Session } from "../uploads/session.js";
import type { Services } from "./services.js";

/** Uploads of at most one slab are sealed within some milliseconds. */
const sealedInPlaceBytesMax = 1024 * 1024;

/** Errors of a commit that a repeated request would get again. */
const finalErrors: ReadonlySet<ErrorKind> = new Set(["digest-mismatch", "upload-unknown", "name-invalid"]);

/** Published when damaged bytes may have been replaced. */
const healing = { kind: "blobs-healed" } as const;

/** The headers that describe a request's body. */
export interface BodyClaim {
  /** `Content-Range`, if present. */
  readonly range: ByteRange | undefined;
  /** `Content-Length`, if present. */
  readonly length: number | undefined;
  /** The digest of the whole blob, if this body completes it. */
  readonly closing: Digest | undefined;
}

/**
 * Opens a session that counts toward the limits of `client`. `announced` is the algorithm that the client intends to use.
 * Throws `too-many-requests`.
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

/** Opens a session for a single-request upload. No client learns of it, so it does not count toward limits. */
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

/** Returns the session of an upload; only its opener may use it. Throws or rejects with `upload-unknown`. */
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

/** The body of one request, to be written to the blob. */
export class IncomingBody {
  readonly #start: number;
  readonly #writer: BodyWriter;
  #length = 0;
  /** Frees this body's space; set if the storage was full. */
  #freed: Promise<void> | undefined;

  /**
   * Claims the session for one body. Throws `chunk-out-of-order`, `size-invalid`, `digest-invalid` or `upload-busy`, and
   * then leaves the session unchanged.
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
      throw new RegistryError("digest-invalid", `this upload was opened for ${session.algorithm}`, {
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
    // A single-request upload needs no session record on disk.
    session.upload ??= services.storage.uploads.begin(session.id, session, {
      survives: closing === undefined,
      inChunks: range !== undefined,
    });
    session.upload.algorithm = session.algorithm;
    this.#writer = new BodyWriter(session, session.upload, services.slabs, flow, (error) => {
      if (error instanceof RegistryError && error.kind === "storage-full") this.#freed = this.#free();
    });
  }

  /** The error that stopped the body from being written, if any. */
  get failure(): unknown {
    return this.#writer.failure;
  }

  /** Size of the blob so far, including this body. */
  get size(): number {
    return this.#start + this.#length;
  }

  write(chunk: Uint8Array): void {
    this.#length += chunk.length;
    this.#writer.write(chunk);
  }

  /** Takes over bytes that arrived before the body was attached. */
  adopt(held: HeldBytes): void {
    this.#length += held.length;
    this.#writer.adopt(held);
  }

  /** Ends a body that leaves the upload open. Rejects with `size-invalid` or the storage's error. */
  async end(): Promise<void> {
    try {
      await this.#writer.end().finally(() => this.#writer.times.tell(this.spans));
      this.#checkLength();
      await this.#flush();
    } catch (error) {
      await this.#giveUp(!(error instanceof RegistryError && error.kind === "size-invalid"));
      throw error;
    }
    this.session.enter("idle");
  }

  /**
   * Ends the upload. The blob is durable when this resolves. Also rejects with `digest-mismatch`, which ends the upload, too.
   * After any other error the upload is as before this request, if the storage can return to that.
   */
  async commit(expected: Digest): Promise<void> {
    try {
      this.#checkLength();
    } catch (error) {
      await this.#giveUp(false);
      throw error;
    }
    try {
      // Slow work must not hold the repository's lock.
      if (this.size > sealedInPlaceBytesMax) await this.#writer.seal(expected);
      await this.#commit(expected);
    } catch (error) {
      if (this.#isFinal(error)) await this.#drop();
      else await this.#giveUp(false);
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
        // A failed commit may have replaced damaged bytes before, in this and other repositories.
        if (error instanceof RegistryError && error.kind === "storage-failed") await changes.publish(healing);
        throw error;
      });
      // The commit consumed the upload: nothing is left to remove.
      session.upload = undefined;
      if (healed) await changes.publish(healing);
      services.cluster.leases.grant(`${name}@${digest}`);
      services.caches.blobStored(name, digest, this.size);
    });
  }

  /** Whether no request can continue the upload after the error of its commit. */
  #isFinal(error: unknown): boolean {
    const isConsumed = this.session.upload === undefined;
    return isConsumed || (error instanceof RegistryError && finalErrors.has(error.kind));
  }

  /** Ends an upload that cannot be continued. Never rejects. */
  async #drop(): Promise<void> {
    await this.#writer.abort();
    await this.#freed;
    const closed = this.#close();
    // Before the response: a client that retries must find the place of this upload free.
    if (!this.#writer.upload.isLost) await closed;
  }

  /** The blob is either linked or never will be, so removes the rest of the upload. Never rejects. */
  async #close(): Promise<void> {
    const { sessions, onBackgroundError } = this.services;
    await sessions.close(this.session).catch(onBackgroundError);
  }

  /**
   * Handles a disconnected client. Keeps the bytes of a PATCH, so that the client can resume; drops those of a closing
   * request.
   */
  async abort(): Promise<void> {
    await this.#writer.abort();
    await this.#giveUp(this.claim.closing === undefined);
  }

  async #giveUp(keep: boolean): Promise<void> {
    const { session } = this;
    await this.#writer.abort();
    await this.#freed;
    if (session.state !== "receiving" && session.state !== "sealing") return;
    if (this.#writer.upload.isLost) return this.#drop();
    if (!keep || !(await this.#flushed())) await this.#rollBack(this.#start);
    if (this.#writer.upload.isLost) return this.#drop();
    session.enter("idle");
  }

  /** Stores the bytes so far, so that the next request can continue after them, perhaps at another node. */
  async #flush(): Promise<void> {
    const { received } = this.session;
    if (received > 0) await this.#writer.upload.flush(received);
  }

  /** Returns whether the bytes so far are stored. */
  #flushed(): Promise<boolean> {
    return attempt(
      () => this.#flush(),
      () => {},
    );
  }

  /**
   * Frees this body's bytes at once when the storage is full, although more of the body may arrive for a long time. Keeps
   * only the bytes that the client knows to be stored, so that it can resume.
   */
  async #free(): Promise<void> {
    await this.#writer.abort();
    if (this.#writer.upload.isLost) return;
    await this.#rollBack(Math.max(this.#start, this.session.acknowledged));
  }

  /** Never rejects: the next append cuts off bytes that cannot be cut off now. */
  async #rollBack(bytes: number): Promise<void> {
    const { sessions, onBackgroundError } = this.services;
    await sessions.rollBack(this.session, bytes).catch(onBackgroundError);
  }

  /** The range of a body without a length can only be checked at its end. */
  #checkLength(): void {
    const { range } = this.claim;
    if (range !== undefined && range.last - range.first + 1 !== this.#length) throw lie(range, this.#length);
  }
}

/** Chunks MUST be uploaded in order (distribution-spec, "Pushing a blob in chunks"). */
function checkRange(range: ByteRange, length: number | undefined, session: Session): void {
  if (range.first !== session.received) {
    throw new ChunkOutOfOrder(session, `${range.first}-${range.last}`);
  }
  if (length !== undefined && range.last - range.first + 1 !== length) throw lie(range, length);
}

function lie(range: ByteRange, length: number): RegistryError {
  return new RegistryError("size-invalid", "the length of the chunk does not match its Content-Range", {
    contentRange: `${range.first}-${range.last}`,
    length,
  });
}
