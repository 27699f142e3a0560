/** What uploads leave on disk while they run, and what a restarted server finds of them. */
import { readFile, rm, stat } from "node:fs/promises";
import { isObject } from "../../domain/descriptor.js";
import { parseAlgorithm } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseRepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import type { RecoveredUpload, UploadRecord, UploadStore, UploadTarget } from "../storage.js";
import { ifThere } from "./files.js";
import type { Layout } from "./layout.js";

export class FileUploads implements UploadStore {
  constructor(readonly layout: Layout) {}

  oneRequestTarget(id: SessionId): UploadTarget {
    return { file: this.layout.upload(id) };
  }

  sessionTarget(id: SessionId, record: UploadRecord): UploadTarget {
    const directory = this.layout.upload(id);
    return {
      file: `${directory}/data`,
      session: { directory, recordFile: `${directory}/session.json`, record: serialize(record) },
    };
  }

  async recover(id: SessionId): Promise<RecoveredUpload | undefined> {
    const directory = this.layout.upload(id);
    const text = await ifThere(readFile(`${directory}/session.json`, "utf8"));
    const record = text === undefined ? undefined : parseRecord(text);
    if (record === undefined) return undefined;
    const target = this.sessionTarget(id, record);
    return { ...record, target, received: (await ifThere(stat(target.file)))?.size ?? 0 };
  }

  async remove(target: UploadTarget): Promise<void> {
    await rm(target.session?.directory ?? target.file, { recursive: true, force: true });
  }
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
