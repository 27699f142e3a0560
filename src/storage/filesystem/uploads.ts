/** What uploads leave on disk while they run, and what a restarted server finds of them. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { isObject } from "../../domain/descriptor.js";
import { parseAlgorithm } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseRepositoryName } from "../../domain/repository-name.js";
import { isSessionId, type SessionId } from "../../domain/session-id.js";
import type { RecoveredUpload, UploadRecord, UploadStore, UploadTarget } from "../storage.js";
import { ifThere } from "./files.js";
import type { Layout } from "./layout.js";

export class FileUploads implements UploadStore {
  constructor(readonly layout: Layout) {}

  oneRequestTarget(id: SessionId): UploadTarget {
    return { file: this.layout.upload(id) };
  }

  sessionTarget(id: SessionId, record: UploadRecord): UploadTarget {
    return targetIn(this.layout.upload(id), serialize(record));
  }

  async save(target: UploadTarget): Promise<void> {
    if (target.session === undefined) return;
    await mkdir(target.session.directory, { recursive: true });
    await writeFile(target.session.recordFile, target.session.record);
  }

  async recover(id: SessionId): Promise<RecoveredUpload | undefined> {
    const directory = this.layout.upload(id);
    const text = await ifThere(readFile(`${directory}/session.json`, "utf8"));
    const record = text === undefined ? undefined : parseRecord(text);
    if (record === undefined) return undefined;
    const target = this.sessionTarget(id, record);
    return { ...record, target, received: (await ifThere(stat(target.file)))?.size ?? 0 };
  }

  async *abandoned(before: number): AsyncIterable<{ id: SessionId; target: UploadTarget }> {
    for (const id of await readdir(this.layout.uploadsRoot)) {
      if (!isSessionId(id)) continue;
      const directory = this.layout.upload(id);
      const touched = await Promise.all([directory, `${directory}/data`].map((path) => ifThere(stat(path))));
      if (touched.every((file) => file === undefined || file.mtimeMs < before))
        yield { id, target: targetIn(directory) };
    }
  }

  async remove(target: UploadTarget): Promise<void> {
    await rm(target.session?.directory ?? target.file, { recursive: true, force: true });
  }
}

function targetIn(directory: string, record = ""): UploadTarget {
  return {
    file: `${directory}/data`,
    session: { directory, recordFile: `${directory}/session.json`, record },
  };
}

function serialize({ name, algorithm, announced, createdAt }: UploadRecord): string {
  return JSON.stringify({ name, algorithm, announced, createdAt });
}

/** A record that a crash has cut short belongs to a session that nobody can go on with. */
function parseRecord(text: string): UploadRecord | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (!isObject(json)) return undefined;
    const { name, algorithm, announced, createdAt } = json;
    if (typeof name !== "string" || typeof algorithm !== "string" || typeof createdAt !== "number")
      return undefined;
    return {
      name: parseRepositoryName(name),
      algorithm: parseAlgorithm(algorithm),
      announced: announced === true,
      createdAt,
    };
  } catch (error) {
    if (error instanceof RegistryError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
