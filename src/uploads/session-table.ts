/**
 * The sessions of this process, by id; the one owner of their lives. A session belongs to its repository
 * and its opener: asked for under another name, or by somebody else, it does not exist.
 */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { isSessionId, newSessionId, type SessionId } from "../domain/session-id.js";
import { each } from "../lib/each.js";
import type { UploadOwner, UploadRecord, UploadStore } from "../storage/storage.js";
import { Session } from "./session.js";
import type { WorkerPool } from "./worker-pool.js";

export interface SessionTableOptions {
  /** Open sessions at a time; some 500 bytes each. */
  readonly sessionsMax: number;
  /** The same of one opener. */
  readonly sessionsPerOpenerMax: number;
  /** A session that no request has used for so long is dropped, with its bytes. */
  readonly idleSecondsMax: number;
  /** Time between two looks for such sessions, 0 to never look. */
  readonly purgeEverySeconds: number;
  /** Told of what went wrong in the background. */
  readonly onError: (error: unknown) => void;
}

/** Ages as CNCF distribution purges them. */
export const defaultSessionTable: SessionTableOptions = {
  sessionsMax: 100_000,
  sessionsPerOpenerMax: 20_000,
  idleSecondsMax: 7 * 24 * 3600,
  purgeEverySeconds: 24 * 3600,
  onError: (error) => {
    throw error;
  },
};

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

/**
 * A session that has no bytes after this time is put on disk, to be found after a crash. Most have been
 * used, or are over, long before.
 */
const saveAfterMilliseconds = 500;

/** When who has too many sessions open may try again: most are closed by their clients within seconds. */
const openRetrySeconds = 5;

export class SessionTable {
  readonly #sessions = new Map<SessionId, Session>();
  /** Sessions by opener. */
  readonly #counts = new Map<string, number>();
  readonly #recovering = new Map<SessionId, Promise<Session | undefined>>();
  /** Opened, and not on disk yet. */
  readonly #unsaved = new Set<Session>();
  readonly #timers: readonly NodeJS.Timeout[];
  /** Sessions that were dropped since nobody used them any more. */
  purged = 0;

  readonly options: SessionTableOptions;

  constructor(
    readonly store: UploadStore,
    readonly workers: WorkerPool,
    options: Partial<SessionTableOptions> = {},
  ) {
    this.options = { ...defaultSessionTable, ...options };
    const { onError, purgeEverySeconds } = this.options;
    const purge = () => void this.purge().catch(onError);
    const save = () => void this.save(Date.now() - saveAfterMilliseconds).catch(onError);
    const saving = setInterval(save, saveAfterMilliseconds).unref();
    this.#timers = [saving];
    if (purgeEverySeconds === 0) return;
    const purging = setInterval(purge, Math.min(purgeEverySeconds * 1000, timerMillisecondsMax)).unref();
    this.#timers = [saving, purging];
    setImmediate(purge);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens a session. Throws `too-many-requests` where there are too many. */
  open(upload: Omit<UploadRecord, "createdAt">): Session {
    const { sessionsMax, sessionsPerOpenerMax } = this.options;
    const own = this.#counts.get(upload.opener) ?? 0;
    if (this.#sessions.size >= sessionsMax || own >= sessionsPerOpenerMax)
      throw new TooManyRequests("sessions", "too many uploads are open", openRetrySeconds);
    const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
    this.#add(session);
    this.#unsaved.add(session);
    return session;
  }

  /** Puts sessions on disk that were opened before `openedBefore` and have no bytes yet. */
  async save(openedBefore: number = Number.POSITIVE_INFINITY): Promise<void> {
    await each(this.#unsaved, async (session) => {
      if (session.createdAt > openedBefore) return;
      this.#unsaved.delete(session);
      if (session.state !== "idle" || session.target !== undefined) return;
      session.target = this.store.sessionTarget(session.id, session);
      session.saving = this.store.save(session.target);
      await session.saving;
    });
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
    this.#counts.set(session.opener, (this.#counts.get(session.opener) ?? 0) + 1);
  }

  #delete(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    const left = (this.#counts.get(session.opener) ?? 1) - 1;
    if (left === 0) this.#counts.delete(session.opener);
    else this.#counts.set(session.opener, left);
  }

  /** Ends a session and drops what is left of it. The caller need not wait for the clean-up. */
  async close(session: Session): Promise<void> {
    session.enter("closed");
    this.#unsaved.delete(session);
    try {
      await this.dropBytes(session);
    } finally {
      // Not before: who asks for it meanwhile would find it again on the disk.
      this.#delete(session);
    }
  }

  /** Drops what the session has brought so far, and what tells of it on the disk. */
  async dropBytes(session: Session): Promise<void> {
    const { target } = session;
    if (target === undefined) return;
    session.target = undefined;
    if (session.state !== "closed") this.#unsaved.add(session);
    // What is being written while it is removed would stay.
    await session.saving?.catch(() => {});
    await this.workers.forget(session.id, session.affinity);
    await this.store.remove(target);
  }

  /** Ends the sessions that nobody has used for too long, and those of earlier processes. */
  async purge(now: number = Date.now()): Promise<void> {
    const oldest = now - this.options.idleSecondsMax * 1000;
    for (const session of this.#sessions.values()) {
      if (session.state !== "idle" || session.lastUsedAt >= oldest) continue;
      await this.close(session);
      this.purged++;
    }
    for await (const { id, target } of this.store.abandoned(oldest)) {
      if (this.#sessions.has(id) || this.#recovering.has(id)) continue;
      await this.store.remove(target);
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
