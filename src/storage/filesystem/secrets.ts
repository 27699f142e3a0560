/** Secrets: each a file that only the server's user may read, written once, atomically. */
import { chmod, link, rename } from "node:fs/promises";
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { SecretStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import { errorCode, removeIfThere, writeDurably } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

const folderMode = 0o700;
const fileMode = 0o600;

export class FileSecrets implements SecretStore {
  readonly #locks = new KeyedLock<string>();

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly hardLinks: boolean,
    readonly checkedFiles: CheckedFiles,
  ) {}

  secret(name: string, make: () => Uint8Array): Promise<Buffer> {
    const path = `${this.layout.secretsRoot}/${name}`;
    return this.#locks.exclusive(
      path,
      async () => (await this.checkedFiles.read(path)) ?? this.#keep(path, make()),
    );
  }

  async #keep(path: string, bytes: Uint8Array): Promise<Buffer> {
    const folder = this.layout.secretsRoot;
    await this.directories.within([folder], async () => {
      await chmod(folder, folderMode);
      await this.#put(path, bytes);
    });
    await this.directories.sync(folder);
    const kept = await this.checkedFiles.read(path);
    if (kept === undefined) throw new Error(`${path} is not a file of the store, or has just been removed`);
    return kept;
  }

  /** Another process may create the same secret at this moment. If links can detect that, the first one is kept. */
  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = this.layout.temporary();
    await writeDurably(temporary, bytes, this.directories.syncs, fileMode);
    try {
      await (this.hardLinks ? link(temporary, path) : rename(temporary, path));
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    } finally {
      await removeIfThere(temporary);
    }
  }
}
