/**
 * The sessions of this process, by id; the one owner of their lives. A session belongs to its
 * repository: asked for under another name it does not exist.
 */
import type { Algorithm } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isSessionId, newSessionId, type SessionId } from "../domain/session-id.js";
import type { UploadStore } from "../storage/storage.js";
import { Session } from "./session.js";
import type { WorkerPool } from "./worker-pool.js";

export interface SessionTableOptions {
  /** Open sessions at a time; some 500 bytes each. */
  readonly sessionsMax: number;
  /** A session that no request has used for so long is dropped, with its bytes. */
  readonly idleSecondsMax: number;
}

export const defaultSessionTable: SessionTableOptions = { sessionsMax: 100_000, idleSecondsMax: 24 * 3600 };

const purgeEverySeconds = 60;

export class SessionTable {
  readonly #sessions = new Map<SessionId, Session>();
  readonly #recovering = new Map<SessionId, Promise<Session | undefined>>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly store: UploadStore,
    readonly workers: WorkerPool,
    readonly options: SessionTableOptions = defaultSessionTable,
  ) {
    this.#timer = setInterval(() => void this.purge(), purgeEverySeconds * 1000).unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens a session. Throws `too-many-requests` where there are too many. */
  open(name: RepositoryName, algorithm: Algorithm, announced: boolean): Session {
    if (this.#sessions.size >= this.options.sessionsMax) {
      throw new RegistryError("too-many-requests", "too many uploads are open");
    }
    const session = new Session(newSessionId(), name, algorithm, announced);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** The session `id` of repository `name`, also one of an earlier process. Throws `upload-unknown`. */
  find(name: RepositoryName, id: string): Session | Promise<Session> {
    if (!isSessionId(id)) throw unknown();
    const session = this.#sessions.get(id);
    return session === undefined
      ? this.#recover(id).then((found) => owned(found, name))
      : owned(session, name);
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
    const session = new Session(id, found.name, found.algorithm, found.announced, found.createdAt, found);
    this.#sessions.set(id, session);
    return session;
  }

  /** Ends a session and drops what is left of it. The caller need not wait for the clean-up. */
  async close(session: Session): Promise<void> {
    session.enter("closed");
    this.#sessions.delete(session.id);
    if (session.target === undefined) return;
    await this.workers.forget(session.id, session.affinity);
    await this.store.remove(session.target);
  }

  /** Ends the sessions that nobody has used for too long. */
  async purge(now: number = Date.now()): Promise<void> {
    const oldest = now - this.options.idleSecondsMax * 1000;
    for (const session of this.#sessions.values()) {
      if (session.state === "idle" && session.lastUsedAt < oldest) await this.close(session);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function owned(session: Session | undefined, name: RepositoryName): Session {
  if (session === undefined || session.name !== name || session.state === "closed") throw unknown();
  return session;
}

function unknown(): RegistryError {
  return new RegistryError("upload-unknown", "no such upload in this repository");
}
