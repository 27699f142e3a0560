/**
 * Uploads whose requests reach more than one process of a server. The bytes are in one file for all of them, but the running
 * hash is in a worker of the process that received the bytes. That worker keeps it when another process goes on, and seals the
 * upload for it if no more bytes come, as in docker's sequence of POST, PATCH and PUT. Otherwise the upload is read again.
 */
import { LRUCache } from "lru-cache";
import type { SessionId } from "../../domain/session-id.js";
import type { Affinity } from "../../lib/affine-pool.js";
import { assert } from "../../lib/assert.js";
import type { Journal } from "./journal/journal.js";
import {
  leaveRequest,
  type SealedElsewhere,
  type SealRequest,
  type StorePeers,
  sealedAnswer,
  sealRequest,
} from "./peers.js";
import type { WorkerPool } from "./worker-pool.js";
import type { UploadFiles } from "./worker-protocol.js";

/** Uploads that a worker keeps for other processes; the next request of nearly all comes within a second. */
const leftMax = 1_000;

interface Left {
  readonly files: UploadFiles;
  readonly affinity: Affinity;
}

export class MovedUploads {
  readonly #left: LRUCache<SessionId, Left>;
  /** Set when it has been opened, before any call. */
  journal: Journal | undefined;

  constructor(
    readonly workers: WorkerPool,
    readonly peers: StorePeers,
    onError: (error: unknown) => void,
  ) {
    this.#left = new LRUCache({
      max: leftMax,
      dispose: ({ affinity }, id, reason) => {
        if (reason === "evict") workers.forget(id, affinity).catch(onError);
      },
    });
    peers.answer("seal upload", (payload) => this.#sealFor(sealRequest.parse(payload)));
    peers.answer("leave upload", (payload) => this.#leaveTo(leaveRequest.parse(payload).session));
  }

  /** Another process goes on with the upload. No task may be running. */
  leave(id: SessionId, files: UploadFiles, affinity: Affinity): void {
    this.#left.set(id, { files, affinity });
  }

  /** Returns the worker of this process that holds the upload, if it has come back unchanged. */
  comeBack(id: SessionId): Affinity | undefined {
    const left = this.#left.get(id);
    this.#left.delete(id);
    return left?.affinity;
  }

  async #sealFor({ session, isJournaled, ...request }: SealRequest): Promise<SealedElsewhere | null> {
    const left = this.#left.get(session);
    if (left === undefined) return null;
    this.#left.delete(session);
    const { files, affinity } = left;
    const place = request.place && { ...request.place, recordFile: request.place.recordFile };
    const seal = (journal?: number) =>
      this.workers.seal({ ...request, session, files, part: undefined, place, journal }, affinity);
    if (!isJournaled || place === undefined) return seal();
    // The asker holds an operation of this generation or an earlier one, so that it counts until the asker has ended.
    assert(this.journal !== undefined, "all processes have a journal");
    return this.journal.during([place.blob, place.content], seal);
  }

  async #leaveTo(session: SessionId): Promise<null> {
    const left = this.#left.get(session);
    this.#left.delete(session);
    if (left !== undefined) await this.workers.leave(session, left.affinity);
    return null;
  }

  /** Resolves with `undefined` if no other process holds the upload. */
  async sealElsewhere(request: SealRequest): Promise<SealedElsewhere | undefined> {
    const given = await this.peers.ask("seal upload", request);
    const sealed = given.find((answer) => answer !== null);
    return sealed === undefined ? undefined : sealedAnswer.parse(sealed);
  }

  /** Resolves when no other process holds the upload. Rejects if one has lost bytes of it. */
  async takeHere(session: SessionId): Promise<void> {
    await this.peers.ask("leave upload", { session });
  }
}
