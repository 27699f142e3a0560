/**
 * An upload session: the bytes of one blob on their way into one repository. Its states:
 *
 *   idle → receiving → idle        a request with a body (PATCH) came and went
 *   idle → receiving → sealing     the closing PUT, or a POST with the digest
 *   sealing → closed               the blob is there, or its digest was wrong
 *   idle → closed                  canceled, or purged by age
 *
 * One request at a time: what comes while another is at work is refused. Owned by the main thread.
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
  sealing: ["closed"],
  closed: [],
};

export class Session implements UploadRecord {
  #state: SessionState = "idle";
  #received: number;
  /** The bytes in the storage; begun when the first of them come. */
  upload: Upload | undefined;
  /** Bytes of which the client has been told while a request was at work that brought them. */
  #acknowledged = 0;
  /** Milliseconds since the epoch: when a request last came or ended. */
  lastUsedAt: number;

  readonly name: RepositoryName;
  readonly opener: string;
  readonly client: string;
  readonly announced: boolean;
  readonly createdAt: number;
  /** What is being hashed with; may still change while there are no bytes. */
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

  /** Whether it has no bytes, and no request is at work that may bring some. */
  get isUnused(): boolean {
    return this.#state === "idle" && this.#received === 0;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Bytes that have been written, and the offset at which the next ones go. */
  get received(): number {
    return this.#received;
  }

  /** Takes the session for one request. Throws `upload-busy` where another has it. */
  claim(): void {
    if (this.#state !== "idle") {
      throw new RegistryError("upload-busy", "another request of this upload is being worked on");
    }
    this.enter("receiving");
  }

  enter(state: SessionState): void {
    assert(transitions[this.#state].includes(state), `a session goes from ${this.#state} to ${state}`);
    this.#state = state;
    this.lastUsedAt = Date.now();
  }

  wrote(bytes: number): void {
    assert(this.#state === "receiving", "bytes come while a request is at work");
    this.#received += bytes;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** To be called when the client is told what has come. */
  acknowledge(): void {
    this.#acknowledged = this.#received;
  }

  /** Forgets what came after `offset`: the next append cuts it off, where nobody did before. */
  rollBack(offset: number): void {
    assert(offset <= this.#received, "a session rolls back, not forth");
    this.#received = offset;
    this.#acknowledged = Math.min(this.#acknowledged, offset);
  }
}
