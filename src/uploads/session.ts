/**
 * An upload session: one blob being pushed to one repository. Its states:
 *
 *   idle → receiving → idle        a request with a body (PATCH) came and went
 *   idle → receiving → sealing     the closing PUT, or a POST with the digest
 *   sealing → closed               the blob is stored, or its digest was wrong
 *   sealing → idle                 the storage failed: the upload is as the request before left it
 *   idle → closed                  canceled, or purged by age
 *
 * One request at a time: a second one is refused. Owned by the main thread.
 */
import type { Algorithm } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { SessionId } from "../domain/session-id.js";
import { assert } from "../lib/assert.js";
import type { RecoveredUpload, Upload, UploadRecord } from "../storage/storage.js";

export type SessionState = "idle" | "receiving" | "sealing" | "closed";

const transitions: Readonly<Record<SessionState, readonly SessionState[]>> = {
  idle: ["receiving", "closed"],
  receiving: ["idle", "sealing", "closed"],
  sealing: ["idle", "closed"],
  closed: [],
};

export class Session implements UploadRecord {
  #state: SessionState = "idle";
  #received: number;
  /** The bytes in the storage. Begun when the first of them arrive. */
  upload: Upload | undefined;
  /** Number of bytes that a status request has reported while they were arriving. */
  #acknowledged = 0;
  /** When a request last started or ended, in milliseconds since the epoch. */
  lastUsedAt: number;

  readonly name: RepositoryName;
  readonly opener: string;
  readonly client: string;
  readonly announced: boolean;
  readonly createdAt: number;
  /** The hash algorithm. May change while there are no bytes. */
  algorithm: Algorithm;

  constructor(
    readonly id: SessionId,
    { name, opener, client, algorithm, announced, createdAt }: UploadRecord,
    recovered?: Pick<RecoveredUpload, "received" | "touchedAt"> & Partial<Pick<RecoveredUpload, "upload">>,
  ) {
    this.name = name;
    this.opener = opener;
    this.client = client;
    this.algorithm = algorithm;
    this.announced = announced;
    this.createdAt = createdAt;
    this.lastUsedAt = recovered?.touchedAt ?? Date.now();
    this.#received = recovered?.received ?? 0;
    this.upload = recovered?.upload;
  }

  /** Whether it has no bytes and no request is running that may bring some. */
  get isUnused(): boolean {
    return this.#state === "idle" && this.#received === 0;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Number of bytes written, which is the offset of the next. */
  get received(): number {
    return this.#received;
  }

  /** Claims the session for one request. Throws `upload-busy` if another request has it. */
  claim(): void {
    if (this.#state !== "idle") {
      throw new RegistryError("upload-busy", "another request for this upload is running");
    }
    this.enter("receiving");
  }

  enter(state: SessionState): void {
    assert(transitions[this.#state].includes(state), `a session goes from ${this.#state} to ${state}`);
    this.#state = state;
    this.lastUsedAt = Date.now();
  }

  wrote(bytes: number): void {
    assert(this.#state === "receiving", "bytes arrive only while a request is running");
    this.#received += bytes;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Call this when a response reports the number of bytes received. */
  acknowledge(): void {
    this.#acknowledged = this.#received;
  }

  /** Forgets the bytes behind `offset`. The next append truncates them unless that has been done before. */
  rollBack(offset: number): void {
    assert(offset <= this.#received, "a session rolls back, never forward");
    this.#received = offset;
    this.#acknowledged = Math.min(this.#acknowledged, offset);
  }
}
