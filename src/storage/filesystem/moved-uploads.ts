/**
 * Uploads whose requests reach more than one process of a server. The bytes are in one file for all of them, but the running
 * hash is in a worker of the process that received the bytes. That worker keeps it when another process goes on, and seals the
 * upload for it if no more bytes come, as in docker's sequence of POST, PATCH and PUT. Otherwise the upload is read again.
 */
import { LRUCache } from "lru-cache";
import type { SessionId } from "../../domain/session-id.js";
import type { Affinity } from "../../lib/affine-pool.js";
import {
  leaveRequest,
  type SealedElsewhere,
  type SealRequest,
  type StorePeers,
  sealedAnswer,
  sealRequest,
} from "./peers.js";
import { losesUpload, type WorkerPool } from "./worker-pool.js";
import type { UploadFiles } from "./worker-protocol.js";

/** Uploads that a worker keeps for other processes; the next request of nearly all comes within a second. */
const keptMax = 1_000;

interface Kept {
  readonly files: UploadFiles;
  readonly affinity: Affinity;
  /** Whether a seal for another process has failed so that nobody may continue the upload. */
  readonly isLost?: boolean;
}

export class MovedUploads {
  readonly #kept: LRUCache<SessionId, Kept>;

  constructor(
    readonly workers: WorkerPool,
    readonly peers: StorePeers,
    onError: (error: unknown) => void,
  ) {
    this.#kept = new LRUCache({
      max: keptMax,
      dispose: ({ affinity }, id, reason) => {
        if (reason === "evict") workers.forget(id, affinity).catch(onError);
      },
    });
    peers.answer("seal upload", (payload) => this.#sealFor(sealRequest.parse(payload)));
    peers.answer("leave upload", (payload) => this.#leaveTo(leaveRequest.parse(payload).session));
  }

  /** Another process goes on with the upload. No task may be running. */
  keep(id: SessionId, files: UploadFiles, affinity: Affinity): void {
    this.#kept.set(id, { files, affinity });
  }

  /** Returns the worker of this process that holds the upload, if it has come back unchanged. */
  reclaim(id: SessionId): Affinity | undefined {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    return kept?.affinity;
  }

  /** The record is one of the asker's operation: a checkpoint waits for that, which must not wait for the checkpoint. */
  async #sealFor(request: SealRequest): Promise<SealedElsewhere | null> {
    const { session } = request;
    const kept = this.#kept.get(session);
    if (kept === undefined) return null;
    this.#kept.delete(session);
    const { files, affinity } = kept;
    try {
      return await this.workers.seal({ ...request, files, part: undefined, place: request.place }, affinity);
    } catch (error) {
      // The asker closes it here before it goes on, and learns then whether it can.
      this.#kept.set(session, { files, affinity, isLost: losesUpload(error) });
      throw error;
    }
  }

  async #leaveTo(session: SessionId): Promise<null> {
    const kept = this.#kept.get(session);
    this.#kept.delete(session);
    if (kept !== undefined) await this.workers.leave(session, kept.affinity);
    if (kept?.isLost === true) throw new Error("bytes of the upload may be lost");
    return null;
  }

  /** Resolves with `undefined` if no other process holds the upload. */
  async sealElsewhere(request: SealRequest): Promise<SealedElsewhere | undefined> {
    const given = await this.peers.ask("seal upload", request);
    const sealed = given.find((answer) => answer !== null);
    return sealed === undefined ? undefined : sealedAnswer.parse(sealed);
  }

  /** Resolves when no other process holds the upload. Rejects if one has lost bytes of it. */
  async closeElsewhere(session: SessionId): Promise<void> {
    await this.peers.ask("leave upload", { session });
  }
}
