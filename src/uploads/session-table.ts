/**
 * The sessions of this process, by id; the one owner of their lives. A session belongs to its repository
 * and its opener: asked for under another name, or by somebody else, it does not exist. It is on disk once it has
 * bytes. One without bytes costs memory only, and not for long.
 */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { isSessionId, newSessionId, type SessionId } from "../domain/session-id.js";
import { each } from "../lib/each.js";
import type { UploadOwner, UploadRecord, UploadStore } from "../storage/storage.js";
import { Session } from "./session.js";

export interface SessionTableOptions {
  /** Open sessions at a time; some 500 bytes each. */
  readonly sessionsMax: number;
  /** The same of one client. */
  readonly sessionsPerClientMax: number;
  /** A session that has no bytes after so long is dropped. */
  readonly unusedSecondsMax: number;
  /** A session that no request has used for so long is dropped, with its bytes. */
  readonly idleSecondsMax: number;
  /** Time between two looks for such sessions, 0 to never look. */
  readonly purgeEverySeconds: number;
  /** Whether sessions of earlier processes are taken up at once, so that they count for their clients. */
  readonly recovers: boolean;
  /** Told of what went wrong in the background. */
  readonly onError: (error: unknown) => void;
}

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

/** Sessions that are looked at to evict one. Those that are in use are looked at last by the next eviction. */
const evictionLooksMax = 100;

/** A look at the sessions without bytes costs next to nothing where none is too old. */
const unusedLookSecondsMax = 5;

/** When who has too many sessions open may try again: most are closed by their clients within seconds. */
const openRetrySeconds = 5;

export class SessionTable {
  readonly #sessions = new Map<SessionId, Session>();
  /** Sessions by client. */
  readonly #counts = new Map<string, number>();
  readonly #recovering = new Map<SessionId, Promise<Session | undefined>>();
  /** Those that had no bytes when they were last looked at, mostly in the order in which they were opened. */
  readonly #unused = new Set<Session>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Sessions that were dropped since nobody used them any more. */
  purged = 0;

  constructor(
    readonly store: UploadStore,
    readonly options: SessionTableOptions,
  ) {
    const { purgeEverySeconds, unusedSecondsMax, recovers, onError } = options;
    this.#every(Math.min(unusedLookSecondsMax, unusedSecondsMax / 2), () => this.purgeUnused());
    if (purgeEverySeconds > 0) this.#every(purgeEverySeconds, () => this.purge());
    if (recovers) setImmediate(() => void this.#recoverAll().catch(onError));
  }

  #every(seconds: number, work: () => Promise<void>): void {
    const { onError } = this.options;
    const milliseconds = Math.min(seconds * 1000, timerMillisecondsMax);
    this.#timers.push(setInterval(() => void work().catch(onError), milliseconds).unref());
  }

  /** Takes up the sessions of earlier processes, so that they count for their clients, and ends the old ones. */
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

  /** Opens a session. Throws `too-many-requests` where the client, or all together, have too many. */
  open(upload: Omit<UploadRecord, "createdAt">): Session {
    const { sessionsMax, sessionsPerClientMax } = this.options;
    const own = this.#counts.get(upload.client) ?? 0;
    if (own >= sessionsPerClientMax || (this.#sessions.size >= sessionsMax && !this.#evictUnused()))
      throw new TooManyRequests("sessions", "too many uploads are open", openRetrySeconds);
    const session = this.openUncounted(upload);
    this.#add(session);
    return session;
  }

  /** A session that no client is told of, for an upload that comes in one request: it is not counted, and not found. */
  openUncounted(upload: Omit<UploadRecord, "createdAt">): Session {
    return new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  }

  /** Makes room by dropping the oldest session without bytes: most have some within milliseconds. Whether there was one. */
  #evictUnused(): boolean {
    let left = evictionLooksMax;
    for (const session of this.#unused) {
      if (left-- === 0) break;
      if (!session.isUnused) {
        // To the end, so that the next eviction begins behind it.
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

  /** The sessions that have no bytes: what a store does not know of. */
  unused(): Session[] {
    return [...this.#unused].filter((session) => session.isUnused);
  }

  /** Takes up a session without bytes of the process before. */
  restore(id: SessionId, record: UploadRecord, touchedAt: number): void {
    if (touchedAt < this.#oldestUnused(Date.now()) || this.#sessions.size >= this.options.sessionsMax) return;
    this.#add(new Session(id, record, { received: 0, touchedAt }));
  }

  #oldestUnused(now: number): number {
    return now - this.options.unusedSecondsMax * 1000;
  }

  /** The session `id` of its owner, also one of an earlier process. Throws `upload-unknown`. */
  find(owner: UploadOwner, id: string): Session | Promise<Session> {
    if (!isSessionId(id)) throw unknown();
    const session = this.#sessions.get(id);
    return session === undefined
      ? this.#recover(id).then((found) => owned(found, owner))
      : owned(session, owner);
  }

  #recover(id: SessionId): Promise<Session | undefined> {
    let recovering = this.#recovering.get(id);
    if (recovering === undefined) {
      recovering = this.#read(id).finally(() => this.#recovering.delete(id));
      this.#recovering.set(id, recovering);
    }
    return recovering;
  }

  async #read(id: SessionId): Promise<Session | undefined> {
    const found = await this.store.recover(id);
    if (found === undefined) return undefined;
    const session = new Session(id, found, found);
    this.#add(session);
    return session;
  }

  #add(session: Session): void {
    this.#sessions.set(session.id, session);
    if (session.received === 0) this.#unused.add(session);
    this.#counts.set(session.client, (this.#counts.get(session.client) ?? 0) + 1);
  }

  #delete(session: Session): void {
    this.#unused.delete(session);
    if (!this.#sessions.delete(session.id)) return;
    const left = (this.#counts.get(session.client) ?? 1) - 1;
    if (left === 0) this.#counts.delete(session.client);
    else this.#counts.set(session.client, left);
  }

  /** Ends a session and drops what is left of it. The caller need not wait for the clean-up. */
  async close(session: Session): Promise<void> {
    session.enter("closed");
    try {
      await this.dropBytes(session);
    } finally {
      // Not before: who asks for it meanwhile would find it again on the disk.
      this.#delete(session);
    }
  }

  /** Drops what the session has brought so far, and what tells of it on the disk. */
  async dropBytes(session: Session): Promise<void> {
    const { upload } = session;
    if (upload === undefined) return;
    session.upload = undefined;
    if (this.#sessions.has(session.id)) this.#unused.add(session);
    await upload.abort();
  }

  /** Takes the session back to its first `bytes`, and frees the room of the others. Nothing may be on its way to it. */
  async rollBack(session: Session, bytes: number): Promise<void> {
    session.rollBack(bytes);
    if (bytes === 0) await this.dropBytes(session);
    else await session.upload?.truncate(bytes);
  }

  /** Ends the sessions that have had no bytes for too long. */
  async purgeUnused(now: number = Date.now()): Promise<void> {
    const oldest = this.#oldestUnused(now);
    const old: Session[] = [];
    for (const session of this.#unused) {
      if (session.received > 0) this.#unused.delete(session);
      else if (session.isUnused && session.lastUsedAt < oldest) old.push(session);
      else if (session.createdAt >= oldest) break;
    }
    await each(old, async (session) => {
      // A request may have come meanwhile.
      if (!session.isUnused) return;
      await this.close(session);
      this.purged++;
    });
  }

  /** Ends the sessions that nobody has used for too long, and those of earlier processes. */
  async purge(now: number = Date.now()): Promise<void> {
    const oldest = now - this.options.idleSecondsMax * 1000;
    for (const session of this.#sessions.values()) {
      if (session.state !== "idle" || session.lastUsedAt >= oldest) continue;
      await this.close(session);
      this.purged++;
    }
    for await (const id of this.store.abandoned(oldest)) {
      if (this.#sessions.has(id) || this.#recovering.has(id)) continue;
      await this.store.remove(id);
      this.purged++;
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

function unknown(): RegistryError {
  return new RegistryError("upload-unknown", "no such upload in this repository");
}
