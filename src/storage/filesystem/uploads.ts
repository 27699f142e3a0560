/** The files of running uploads, and their recovery after a restart. */
import { lstat, readdir, rm } from "node:fs/promises";
import { isSessionId, type SessionId } from "../../domain/session-id.js";
import type { ScratchFile } from "../../lib/held-bytes.js";
import { openScratchFile, temporarySuffix } from "../scratch-file.js";
import type { RecoveredUpload, UploadHints, UploadRecord, UploadStore } from "../storage.js";
import { parseRecord, serializeRecord } from "../upload-record.js";
import type { CheckedFiles } from "./checked-files.js";
import { ifThere } from "./files.js";
import { type Layout, recordSuffix } from "./layout.js";
import { FileUpload, type FileUploadParts, removeUpload } from "./upload.js";
import type { UploadFiles } from "./worker-protocol.js";

/** Concurrent checks of entries in the uploads' directory when the store is opened. */
const looksAtOnce = 32;

export class FileUploads implements UploadStore {
  readonly isShared: boolean;

  constructor(
    readonly layout: Layout,
    readonly checkedFiles: CheckedFiles,
    readonly parts: FileUploadParts,
  ) {
    this.isShared = parts.moved !== undefined;
  }

  /** Removes uploads that cannot be resumed. Call it before there are uploads. */
  async dropUnfinished(): Promise<void> {
    await this.parts.recordFiles.dropAll();
    const names = await readdir(this.layout.uploadsRoot);
    const recorded = new Set(names.map(sessionOf));
    for (let start = 0; start < names.length; start += looksAtOnce) {
      await Promise.all(
        names.slice(start, start + looksAtOnce).map((name) => {
          const path = `${this.layout.uploadsRoot}/${name}`;
          // A file that cannot be removed must not stop the store from being opened.
          return this.checkedFiles.passOverDamage(path, this.#dropIfUnfinished(name, recorded));
        }),
      );
    }
  }

  /**
   * Removes what a process that has crashed some time ago has left. Its uploads that can be resumed stay: another process may
   * have continued one, so that all of its files are in use.
   */
  async dropOf(digits: string): Promise<void> {
    const { recordFiles } = this.parts;
    await this.checkedFiles.passOverDamage(this.layout.recordsRoot, recordFiles.dropAll(`${digits}-`));
    const names = await readdir(this.layout.uploadsRoot);
    const recorded = new Set(names.map(sessionOf));
    for (const name of names) {
      const id = name.slice(0, idCharacters);
      if (!id.endsWith(digits) || !isSessionId(id) || recorded.has(id) || sessionOf(name) !== undefined)
        continue;
      const path = `${this.layout.uploadsRoot}/${name}`;
      await this.checkedFiles.passOverDamage(path, rm(path, { recursive: true, force: true }));
    }
  }

  async #dropIfUnfinished(name: string, recorded: ReadonlySet<SessionId | undefined>): Promise<void> {
    const session = sessionOf(name);
    if (session !== undefined && !(await this.#isOpen(session))) await this.remove(session);
    const unfinished = name.endsWith(temporarySuffix) || (isSessionId(name) && !recorded.has(name));
    if (unfinished) await rm(`${this.layout.uploadsRoot}/${name}`, { recursive: true, force: true });
  }

  /**
   * Returns whether the upload can be resumed. False if a crash interrupted its beginning or end: bytes that are linked
   * elsewhere already are a blob.
   */
  async #isOpen(id: SessionId): Promise<boolean> {
    const found = await this.recover(id);
    if (found === undefined) return false;
    const links = (await ifThere(lstat(this.layout.upload(id))))?.nlink ?? 1;
    return links === 1;
  }

  openScratchFile(): ScratchFile {
    return openScratchFile(this.layout.uploadsRoot);
  }

  begin(id: SessionId, record: UploadRecord, { survives }: UploadHints): FileUpload {
    const files = survives
      ? this.#filesOf(id, serialize(record), this.parts.recordFiles.take())
      : { file: this.layout.upload(id) };
    return new FileUpload(id, files, record.algorithm, record.name, this.parts);
  }

  async recover(id: SessionId, isReleased?: boolean): Promise<RecoveredUpload | undefined> {
    const bytes = await this.checkedFiles.read(this.layout.uploadRecord(id));
    const record = bytes === undefined ? undefined : parseRecord(bytes.toString());
    if (record === undefined) return undefined;
    const files = this.#filesOf(id, serialize(record));
    const file = await this.checkedFiles.file(files.file);
    const held = this.parts.moved?.reclaim(id);
    const wasElsewhere = held === undefined && isReleased === true;
    const upload = new FileUpload(id, files, record.algorithm, record.name, this.parts, held, wasElsewhere);
    return { ...record, upload, received: file?.size ?? 0, touchedAt: file?.mtimeMs ?? record.createdAt };
  }

  async *abandoned(before: number): AsyncIterable<SessionId> {
    for (const name of await readdir(this.layout.uploadsRoot)) {
      const id = sessionOf(name);
      if (id === undefined) continue;
      const paths = [this.layout.uploadRecord(id), this.layout.upload(id)];
      const touched = await Promise.all(paths.map((path) => ifThere(lstat(path))));
      if (touched.every((file) => file === undefined || file.mtimeMs < before)) yield id;
    }
  }

  async *all(): AsyncIterable<{ id: SessionId; bytes: number }> {
    for (const name of await readdir(this.layout.uploadsRoot)) {
      const id = sessionOf(name);
      if (id === undefined) continue;
      const file = this.layout.upload(id);
      const found = await this.checkedFiles.passOverDamage(file, this.checkedFiles.file(file));
      yield { id, bytes: found?.size ?? 0 };
    }
  }

  remove(id: SessionId): Promise<void> {
    return removeUpload(this.#filesOf(id, ""), this.parts.recordFiles);
  }

  #filesOf(id: SessionId, text: string, linkedFile?: string): UploadFiles {
    const record = { file: this.layout.uploadRecord(id), text, linkedFile };
    return { file: this.layout.upload(id), record };
  }
}

const idCharacters = 36;

/** Minimum length of a record, so that a record that replaces another nearly always has the same length. */
const recordCharactersMin = 512;

/** Returns the session of a record's file name. */
export function sessionOf(fileName: string): SessionId | undefined {
  const id = fileName.slice(0, -recordSuffix.length);
  return fileName.endsWith(recordSuffix) && isSessionId(id) ? id : undefined;
}

function serialize(record: UploadRecord): string {
  return serializeRecord(record).padEnd(recordCharactersMin);
}
