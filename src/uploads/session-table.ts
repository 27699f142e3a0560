/**
 * Owns the upload sessions of this process. A session belongs to its repository and its opener: under another name, or for
 * another caller, it does not exist. It is stored once it has bytes. A session without bytes is in memory only and expires
 * soon.
 */
import type { ClaimAnswer, Cluster, NodeName } from "../cluster/cluster.js";
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { isSessionId, type SessionId } from "../domain/session-id.js";
import { each } from "../lib/each.js";
import { Groups } from "../lib/groups.js";
import { KeyedLock } from "../lib/keyed-lock.js";
import type { SharedLevels, SharedLimits } from "../lib/shared-limits.js";
import type { UploadOwner, UploadRecord, UploadStore } from "../storage/storage.js";
import { Session } from "./session.js";

export interface SessionTableOptions {
  /** Open sessions, about 500 bytes each. */
  readonly sessionsMax: number;
  /** Open sessions of one client. */
  readonly sessionsPerClientMax: number;
  /** The sessions at other processes of this server. Absent if there are none. */
  readonly shared?: SharedLimits | undefined;
  /** A session without bytes is dropped after this time. */
  readonly unusedSecondsMax: number;
  /** A session that no request has used for this time is dropped with its bytes. */
  readonly idleSecondsMax: number;
  /** Interval between purges, 0 for none. */
  readonly purgeEverySeconds: number;
  /** Whether to recover the sessions of earlier processes at once, so that they count for their clients. */
  readonly recovers: boolean;
  /** Called with errors of background work. */
  readonly onError: (error: unknown) => void;
}

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

/** Sessions examined to find one without bytes. */
const evictionLooksMax = 100;

/** Checking costs next to nothing if no session is too old. */
const unusedLookSecondsMax = 5;

/** `Retry-After` for a client with too many sessions: most sessions are closed within seconds. */
const openRetrySeconds = 5;

export class SessionTable {
  readonly #sessions = new Map<SessionId, Session>();
  readonly #byClient = new Groups<string, Session>();
  readonly #shared: SharedLevels | undefined;
  /** Sessions that had no bytes when last examined, roughly in the order in which they were opened. */
  readonly #unused = new Set<Session>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Sessions being claimed, and then recovered or removed. */
  readonly #claims = new KeyedLock<SessionId>();
  /** Sessions that are this node's, and that it reads from the storage; resolved with whether it found them. */
  readonly #reading = new Map<SessionId, Promise<boolean>>();
  /** Number of sessions dropped because they expired. */
  purged = 0;

  constructor(
    readonly store: UploadStore,
    readonly cluster: Pick<Cluster, "uploads">,
    readonly options: SessionTableOptions,
  ) {
    cluster.uploads.onClaim((id) => this.#handOver(id));
    const { purgeEverySeconds, unusedSecondsMax, recovers, onError, shared, sessionsPerClientMax } = options;
    this.#shared = shared?.levels("sessions", sessionsPerClientMax, (client) => this.#byClient.count(client));
    this.#every(Math.min(unusedLookSecondsMax, unusedSecondsMax / 2), () => this.purgeUnused());
    if (purgeEverySeconds > 0) this.#every(purgeEverySeconds, () => this.purge());
    if (recovers) setImmediate(() => void this.#recoverAll().catch(onError));
  }

  #every(seconds: number, work: () => Promise<void>): void {
    const { onError } = this.options;
    const milliseconds = Math.min(seconds * 1000, timerMillisecondsMax);
    this.#timers.push(setInterval(() => void work().catch(onError), milliseconds).unref());
  }

  /** Recovers the sessions of earlier processes, so that they count for their clients, and purges the old ones. */
  async #recoverAll(): Promise<void> {
    const found: SessionId[] = [];
    for await (const { id } of this.store.all()) found.push(id);
    await each(found, async (id) => {
      if (!this.#sessions.has(id)) await this.#recover(id);
    });
    if (this.options.purgeEverySeconds > 0) await this.purge();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens a session. Throws `too-many-requests` if the client, or all clients together, have too many. */
  open(upload: Omit<UploadRecord, "createdAt">): Session {
    const { sessionsMax, sessionsPerClientMax } = this.options;
    const own = this.#byClient.count(upload.client);
    const all = own + (this.#shared?.elsewhere(upload.client) ?? 0);
    if (all >= sessionsPerClientMax || (this.#sessions.size >= sessionsMax && !this.#makeRoom(own)))
      throw new TooManyRequests("sessions", "too many uploads are open", openRetrySeconds);
    const session = this.openUncounted(upload);
    this.#add(session);
    return session;
  }

  /** Returns a session for an upload in one request. No client learns its id, so it is neither counted nor found. */
  openUncounted(upload: Omit<UploadRecord, "createdAt">): Session {
    return new Session(this.cluster.uploads.newId(), { ...upload, createdAt: Date.now() });
  }

  /** Drops a session for a client that has `own` sessions. Returns false if none may be dropped. */
  #makeRoom(own: number): boolean {
    return this.#evictUnused() || this.#evictFromLargest(own);
  }

  /** Drops the oldest session without bytes: most have some within milliseconds. Returns whether there was one. */
  #evictUnused(): boolean {
    let left = evictionLooksMax;
    for (const session of this.#unused) {
      if (left-- === 0) break;
      if (!session.isUnused) {
        // Move it to the end, so that the next eviction starts after it.
        this.#unused.delete(session);
        if (session.received === 0) this.#unused.add(session);
        continue;
      }
      void this.close(session).catch(this.options.onError);
      this.#delete(session);
      this.purged++;
      return true;
    }
    return false;
  }

  /**
   * Drops the oldest idle session of the client with the most sessions, if it has more than the caller will have. Otherwise
   * a few clients that send one byte to each session would lock out all others until the sessions expire.
   */
  #evictFromLargest(own: number): boolean {
    const { largest } = this.#byClient;
    if (largest === undefined || this.#byClient.count(largest) <= own + 1) return false;
    let left = this.#byClient.count(largest);
    for (const session of this.#byClient.of(largest)) {
      if (left-- === 0) break;
      if (session.state === "idle") {
        // Now, and not when its bytes are removed: the next call must not count it.
        this.#byClient.delete(largest, session);
        this.#shared?.changed(largest);
        void this.close(session).catch(this.options.onError);
        this.purged++;
        return true;
      }
      this.#byClient.renew(largest, session);
    }
    return false;
  }

  /** Returns the sessions without bytes, which the storage does not know. */
  unused(): Session[] {
    return [...this.#unused].filter((session) => session.isUnused);
  }

  /** Restores a session without bytes of the previous process. */
  restore(id: SessionId, record: UploadRecord, touchedAt: number): void {
    if (touchedAt < this.#oldestUnused(Date.now()) || this.#sessions.size >= this.options.sessionsMax) return;
    this.#add(new Session(id, record, { received: 0, touchedAt }));
  }

  #oldestUnused(now: number): number {
    return now - this.options.unusedSecondsMax * 1000;
  }

  /**
   * Returns the session `id` of `owner`, also one of an earlier process. Throws `upload-unknown`, and `cluster-unavailable` if
   * another node may have the session.
   */
  find(owner: UploadOwner, id: string): Session | Promise<Session> {
    if (!isSessionId(id)) throw unknown();
    const session = this.#sessions.get(id);
    return session === undefined || this.#isDoubtful(session) || this.#claims.isHeld(id)
      ? this.#recover(id).then((found) => owned(found, owner))
      : owned(session, owner);
  }

  /** Whether another node may have continued the upload, so that this node does not know its bytes. */
  #isDoubtful({ id, state, received }: Session): boolean {
    return this.store.isShared && state === "idle" && received > 0 && !this.cluster.uploads.isSure(id);
  }

  /** Rejects with `upload-busy` if another node keeps the session. */
  #recover(id: SessionId): Promise<Session | undefined> {
    return this.#claims.exclusive(id, async () => {
      let session = this.#sessions.get(id);
      if (session !== undefined && this.#isDoubtful(session)) await this.#claimAgain(session);
      // Another request may have recovered it meanwhile.
      if (!this.#sessions.has(id)) await this.#read(id);
      session = this.#sessions.get(id);
      if (session !== undefined && this.#isDoubtful(session)) await this.#fence(session);
      return session;
    });
  }

  /** Forgets a session that another node keeps, or has continued. */
  async #claimAgain(session: Session): Promise<void> {
    const { owner } = await this.cluster.uploads.claim(session.id);
    if (this.#sessions.get(session.id) !== session || session.state !== "idle") return;
    if (owner === "here" && (await this.#store(session))) return;
    session.enter("closed");
    this.#delete(session);
    await session.upload?.release?.();
  }

  /** Stores a recovered upload again, so that the storage refuses another node that has read it before. */
  async #fence(session: Session): Promise<void> {
    if (await this.#store(session)) return;
    session.enter("closed");
    this.#delete(session);
    throw new RegistryError("upload-busy", "another process or node has continued this upload");
  }

  /** Resolves with whether no other node has continued the upload. */
  async #store(session: Session): Promise<boolean> {
    const { upload, received } = session;
    if (upload === undefined) return true;
    session.enter("receiving");
    try {
      await upload.flush(received);
      return true;
    } catch (error) {
      if (upload.isLost) return false;
      throw error;
    } finally {
      session.enter("idle");
    }
  }

  async #read(id: SessionId): Promise<void> {
    const { uploads } = this.cluster;
    const claim = await uploads.claim(id);
    if (claim.owner === "ended") return;
    if (claim.owner !== "here") throw elsewhere(claim.owner);
    try {
      const { handedOver, isReleased, isUnsure } = claim;
      if (handedOver !== undefined) {
        const { record, touchedAt } = handedOver;
        this.#add(new Session(id, record, { received: 0, touchedAt }));
        return;
      }
      const reading = this.#readStored(id, isReleased);
      this.#reading.set(
        id,
        reading.catch(() => false),
      );
      if (!(await reading) && isUnsure === true)
        throw new RegistryError("cluster-unavailable", "the node that may have this upload does not answer");
    } finally {
      this.#reading.delete(id);
      if (!this.#sessions.has(id)) uploads.release(id);
    }
  }

  /** Resolves with whether the storage has the session. */
  async #readStored(id: SessionId, isReleased: boolean | undefined): Promise<boolean> {
    const found = await this.store.recover(id, isReleased);
    if (found !== undefined) this.#add(new Session(id, found, found));
    return found !== undefined;
  }

  /** A session without bytes is in the memory of its node only. One with bytes can be recovered from a shared storage. */
  #handOver(id: SessionId): ClaimAnswer | Promise<ClaimAnswer> {
    const session = this.#sessions.get(id);
    // A request here asks for it, too, and gets it if there is one.
    const reading = this.#reading.get(id);
    if (reading !== undefined) return reading.then((isFound) => (isFound ? "keep" : "unknown"));
    // Its owner does not know it any more, so only the storage may.
    if (session === undefined) return this.#claims.isHeld(id) ? "keep" : "unknown";
    if (session.state !== "idle") return "keep";
    const { name, opener, client, algorithm, announced, createdAt, lastUsedAt, received } = session;
    if (received > 0 && !this.store.isShared) return "keep";
    if (session.upload?.isOnlyHere === true)
      return this.#store(session).then(
        (isOwn) => (isOwn ? this.#handOver(id) : "unknown"),
        () => "keep",
      );
    session.enter("closed");
    this.#delete(session);
    if (received > 0) {
      void session.upload?.release?.().catch(this.options.onError);
      return session.upload?.isShared === true ? "unknown" : "released";
    }
    // A request without bytes has begun an upload.
    void session.upload?.abort().catch(this.options.onError);
    return { record: { name, opener, client, algorithm, announced, createdAt }, touchedAt: lastUsedAt };
  }

  #add(session: Session): void {
    this.cluster.uploads.own(session.id);
    this.#sessions.set(session.id, session);
    if (session.received === 0) this.#unused.add(session);
    this.#byClient.add(session.client, session);
    this.#shared?.changed(session.client);
  }

  #delete(session: Session): void {
    this.#unused.delete(session);
    if (!this.#sessions.delete(session.id)) return;
    this.cluster.uploads.release(session.id);
    this.#byClient.delete(session.client, session);
    this.#shared?.changed(session.client);
  }

  /** Closes a session and removes what is left of it. The caller need not wait for the clean-up. */
  async close(session: Session): Promise<void> {
    const { id, upload } = session;
    session.enter("closed");
    try {
      await this.dropBytes(session);
      const isElsewhere = upload?.isLost === true;
      if (this.#sessions.has(id) && !isElsewhere) this.cluster.uploads.end(id);
    } finally {
      // Not before: a request that asked for it meanwhile would recover it from the storage.
      this.#delete(session);
    }
  }

  /** Removes the bytes of a session and its record in the storage. */
  async dropBytes(session: Session): Promise<void> {
    const { upload } = session;
    if (upload === undefined) return;
    session.upload = undefined;
    if (this.#sessions.has(session.id)) this.#unused.add(session);
    await upload.abort();
  }

  /**
   * Rolls the session back to its first `bytes`, or to fewer if the storage cannot keep all of these, and frees the space of
   * the rest. No write may be running.
   */
  async rollBack(session: Session, bytes: number): Promise<void> {
    session.rollBack(bytes);
    const { upload } = session;
    if (upload === undefined) return;
    if (bytes === 0) await this.dropBytes(session);
    else session.rollBack(await upload.truncate(bytes));
  }

  /** Closes the sessions that have had no bytes for too long. */
  async purgeUnused(now: number = Date.now()): Promise<void> {
    const oldest = this.#oldestUnused(now);
    const old: Session[] = [];
    for (const session of this.#unused) {
      if (session.received > 0) this.#unused.delete(session);
      else if (session.isUnused && session.lastUsedAt < oldest) old.push(session);
      else if (session.createdAt >= oldest) break;
    }
    await each(old, async (session) => {
      // A request may have arrived meanwhile.
      if (!session.isUnused) return;
      await this.close(session);
      this.purged++;
    });
  }

  /** Closes the sessions that have not been used for too long, including those of earlier processes. */
  async purge(now: number = Date.now()): Promise<void> {
    const oldest = now - this.options.idleSecondsMax * 1000;
    for (const session of this.#sessions.values()) {
      if (session.state !== "idle" || session.lastUsedAt >= oldest) continue;
      await this.close(session);
      this.purged++;
    }
    for await (const id of this.store.abandoned(oldest)) {
      // A request that asks for it meanwhile waits, and then does not find it.
      await this.#claims.exclusive(id, () => this.#purgeAbandoned(id));
    }
  }

  /** Removes an upload that no node uses. */
  async #purgeAbandoned(id: SessionId): Promise<void> {
    const { uploads } = this.cluster;
    if (this.#sessions.has(id)) return;
    const claim = await uploads.claim(id);
    if (claim.owner !== "here") return;
    try {
      if (claim.isUnsure === true) return;
      await this.store.remove(id);
      this.purged++;
    } finally {
      uploads.release(id);
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}

function owned(session: Session | undefined, { name, opener }: UploadOwner): Session {
  if (session === undefined || session.state === "closed") throw unknown();
  if (session.name !== name || session.opener !== opener) throw unknown();
  return session;
}

function elsewhere(owner: NodeName): RegistryError {
  // Each process of a server has the name of a node, also where there are no other nodes.
  const what = `another request for this upload is running at another process or node (${owner})`;
  return new RegistryError("upload-busy", what);
}

function unknown(): RegistryError {
  return new RegistryError("upload-unknown", "no such upload in this repository");
}
