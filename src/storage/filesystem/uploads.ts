/** What uploads leave on disk while they run, and what a restarted server finds of them. */
import { constants } from "node:fs";
import { lstat, open, readdir, rm } from "node:fs/promises";
import { isSessionId, type SessionId } from "../../domain/session-id.js";
import type { ScratchFile } from "../../lib/held-bytes.js";
import type { RecoveredUpload, UploadRecord, UploadStore, UploadTarget } from "../storage.js";
import { parseRecord, serializeRecord } from "../upload-record.js";
import { ifThere, removeIfThere } from "./files.js";
import { type Layout, recordSuffix, temporarySuffix } from "./layout.js";
import type { Oddities } from "./oddities.js";
import type { RecordFiles } from "./record-files.js";
import { openScratchFile } from "./scratch-file.js";

/** Entries of the uploads' folder that are looked at together when the store is opened. */
const looksAtOnce = 32;

export class FileUploads implements UploadStore {
  constructor(
    readonly layout: Layout,
    readonly recordFiles: RecordFiles,
    readonly oddities: Oddities,
  ) {}

  /** What can't be gone on with after a restart goes. To be called before there are uploads. */
  async dropUnfinished(): Promise<void> {
    await this.recordFiles.dropAll();
    const names = await readdir(this.layout.uploadsRoot);
    const recorded = new Set(names.map(sessionOf));
    for (let start = 0; start < names.length; start += looksAtOnce) {
      await Promise.all(
        names.slice(start, start + looksAtOnce).map((name) => {
          const path = `${this.layout.uploadsRoot}/${name}`;
          // One that the disk does not let go of must not keep the store from being opened.
          return this.oddities.passOverDamage(path, this.#dropIfUnfinished(name, recorded));
        }),
      );
    }
  }

  async #dropIfUnfinished(name: string, recorded: ReadonlySet<SessionId | undefined>): Promise<void> {
    const session = sessionOf(name);
    if (session !== undefined && !(await this.#isOpen(session)))
      await this.remove(this.#targetOf(session, ""));
    const unfinished = name.endsWith(temporarySuffix) || (isSessionId(name) && !recorded.has(name));
    if (unfinished) await rm(`${this.layout.uploadsRoot}/${name}`, { recursive: true, force: true });
  }

  /** Not where a crash came into its beginning or its end: bytes that are linked elsewhere are a blob already. */
  async #isOpen(id: SessionId): Promise<boolean> {
    const found = await this.recover(id);
    if (found === undefined) return false;
    const links = (await ifThere(lstat(found.target.file)))?.nlink ?? 1;
    return links === 1;
  }

  openScratchFile(): ScratchFile {
    return openScratchFile(this.layout.uploadsRoot);
  }

  oneRequestTarget(id: SessionId): UploadTarget {
    return { file: this.layout.upload(id) };
  }

  sessionTarget(id: SessionId, record: UploadRecord): UploadTarget {
    return this.#targetOf(id, serialize(record), this.recordFiles.take());
  }

  async recover(id: SessionId): Promise<RecoveredUpload | undefined> {
    const bytes = await this.oddities.read(this.layout.uploadRecord(id));
    const record = bytes === undefined ? undefined : parseRecord(bytes.toString());
    if (record === undefined) return undefined;
    const target = this.#targetOf(id, serialize(record));
    const file = await this.oddities.file(target.file);
    return { ...record, target, received: file?.size ?? 0, touchedAt: file?.mtimeMs ?? record.createdAt };
  }

  async *abandoned(before: number): AsyncIterable<{ id: SessionId; target: UploadTarget }> {
    for (const name of await readdir(this.layout.uploadsRoot)) {
      const id = sessionOf(name);
      if (id === undefined) continue;
      const target = this.#targetOf(id, "");
      const touched = await Promise.all(filesOf(target).map((path) => ifThere(lstat(path))));
      if (touched.every((file) => file === undefined || file.mtimeMs < before)) yield { id, target };
    }
  }

  async *all(): AsyncIterable<{ id: SessionId; bytes: number }> {
    for (const name of await readdir(this.layout.uploadsRoot)) {
      const id = sessionOf(name);
      if (id === undefined) continue;
      const file = this.layout.upload(id);
      const found = await this.oddities.passOverDamage(file, this.oddities.file(file));
      yield { id, bytes: found?.size ?? 0 };
    }
  }

  async cutOff({ file }: UploadTarget, bytes: number): Promise<void> {
    const handle = await open(file, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      await handle.truncate(bytes);
    } finally {
      await handle.close();
    }
  }

  async remove(target: UploadTarget): Promise<void> {
    for (const file of filesOf(target)) await removeIfThere(file);
    const linkedFile = target.session?.linkedFile;
    if (linkedFile !== undefined) await this.recordFiles.lose(linkedFile);
  }

  #targetOf(id: SessionId, record: string, linkedFile?: string): UploadTarget {
    const session = { recordFile: this.layout.uploadRecord(id), record, linkedFile };
    return { file: this.layout.upload(id), session };
  }
}

/** Records take at least so many characters, so that one in the place of another nearly always has its length. */
const recordCharactersMin = 512;

/** In the order in which they go: a crash in between must not leave a session that has lost its bytes. */
function filesOf({ file, session }: UploadTarget): string[] {
  return session === undefined ? [file] : [session.recordFile, file];
}

/** The session whose record a file in the folder of uploads is. */
export function sessionOf(fileName: string): SessionId | undefined {
  const id = fileName.slice(0, -recordSuffix.length);
  return fileName.endsWith(recordSuffix) && isSessionId(id) ? id : undefined;
}

function serialize(record: UploadRecord): string {
  return serializeRecord(record).padEnd(recordCharactersMin);
}
