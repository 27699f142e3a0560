/** Uploads in an object store. Any node can continue one from what was stored at the end of its last request. */
import { digestOf } from "../../domain/digest.js";
import { isSessionId, type SessionId } from "../../domain/session-id.js";
import type { ScratchFile } from "../../lib/held-bytes.js";
import { foundInOrder } from "../../lib/in-order.js";
import { openScratchFile } from "../scratch-file.js";
import type { RecoveredUpload, UploadHints, UploadRecord, UploadStore } from "../storage.js";
import { parseRecord, serializeRecord } from "../upload-record.js";
import { parseContent, parsePointer } from "./contents.js";
import { onStore } from "./failure.js";
import { keys, lastOf } from "./keys.js";
import { type SweepOptions, sweep } from "./sweep.js";
import { readUpload, removeUpload, S3Upload, type S3UploadParts } from "./upload.js";
import { receivedOf, type StoredUpload } from "./upload-state.js";

/** Requests at once to list uploads. */
const readsAtOnce = 16;

export class S3Uploads implements UploadStore {
  readonly isShared = true;

  constructor(
    readonly parts: S3UploadParts,
    readonly scratchFolder: string,
    readonly options: SweepOptions,
  ) {}

  openScratchFile(): ScratchFile {
    return openScratchFile(this.scratchFolder);
  }

  begin(id: SessionId, record: UploadRecord, { survives, inChunks = false }: UploadHints): S3Upload {
    const { algorithm } = record;
    return new S3Upload(id, this.parts, {
      record: survives ? serializeRecord(record) : undefined,
      algorithm,
      inChunks,
    });
  }

  async recover(id: SessionId, isReleased = false): Promise<RecoveredUpload | undefined> {
    if (this.parts.removals.has(keys.upload(id))) return undefined;
    return onStore(async () => {
      const found = await readUpload(this.parts.client, id);
      const record = found && parseRecord(found.stored.record);
      if (found === undefined || record === undefined || found.stored.ended === true) return undefined;
      const { early, ...others } = found.stored;
      const isUnasked = early !== undefined && !isReleased;
      if (isUnasked && (await this.#isBlob(record, found.stored))) return undefined;
      const known = isUnasked ? { ...others, leavesEarly: true } : found.stored;
      const stored = { ...known, isAlone: isReleased };
      const isShared = stored.leavesEarly === true;
      const options = { record: stored.record, algorithm: record.algorithm, inChunks: true };
      const upload = new S3Upload(id, this.parts, options, { etag: found.etag, stored, isShared });
      return { ...record, upload, received: receivedOf(stored), touchedAt: found.modifiedAt };
    });
  }

  /** Resolves with whether the early data of an upload is that of a blob: then the upload was closed. */
  async #isBlob({ name, algorithm }: UploadRecord, { hex, early }: StoredUpload): Promise<boolean> {
    const { client } = this.parts;
    const digest = digestOf(algorithm, hex);
    const content = await client.get(keys.content(digest));
    // The repository may have deleted its blob again.
    if (content !== undefined && parseContent(content.bytes)?.key === early?.key) return true;
    const pointer = await client.get(keys.blob(name, digest));
    return pointer !== undefined && parsePointer(pointer.bytes)?.key === early?.key;
  }

  async *abandoned(before: number): AsyncIterable<SessionId> {
    for await (const { id, modifiedAt } of this.#listed()) if (modifiedAt < before) yield id;
    await onStore(() => sweep(this.parts.client, before, this.options));
  }

  async *all(): AsyncIterable<{ id: SessionId; bytes: number }> {
    const read = ({ id }: { id: SessionId }) =>
      onStore(async () => {
        const version = await readUpload(this.parts.client, id);
        return version && { id, bytes: receivedOf(version.stored) };
      });
    yield* foundInOrder(this.#listed(), readsAtOnce, read);
  }

  async *#listed(): AsyncIterable<{ id: SessionId; modifiedAt: number }> {
    const listing = this.parts.client.list(keys.uploads);
    for (;;) {
      const next = await onStore(() => listing.next());
      if (next.done) return;
      const id = lastOf(next.value.key);
      if (isSessionId(id) && !this.parts.removals.has(next.value.key))
        yield { id, modifiedAt: next.value.modifiedAt };
    }
  }

  remove(id: SessionId): Promise<void> {
    return onStore(() => removeUpload(this.parts.client, id));
  }
}
