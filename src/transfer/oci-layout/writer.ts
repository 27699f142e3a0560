/**
 * Writes an OCI image layout, or adds to one: content first, the index that names it last. Each file is renamed into place
 * when complete. Existing content is not written again.
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { algorithmOf, type Digest, digestOf } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { newHasher } from "../../domain/hash.js";
import { makeFolders } from "../../storage/make-folders.js";
import { fileSize } from "../files.js";
import { type NamedContent, refName, type Sink } from "../sink.js";
import { blobFile, indexFile, layoutFile, layoutVersion, readIndex, serializeIndex } from "./layout.js";

export class LayoutWriter implements Sink {
  private constructor(
    readonly folder: string,
    readonly entries: readonly NamedContent[],
  ) {}

  /** Creates the directory if it is missing. Rejects if that fails, or if the layout in it is invalid. */
  static async open(path: string): Promise<LayoutWriter> {
    const folder = resolve(path);
    await makeFolders(folder).catch((error: unknown) => {
      throw unwritable(folder, error);
    });
    return new LayoutWriter(folder, (await readIndex(folder)) ?? []);
  }

  async has(digest: Digest, size: number): Promise<boolean> {
    return (await fileSize(blobFile(this.folder, digest))) === size;
  }

  async add(digest: Digest, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.#put(blobFile(this.folder, digest), async (temporary) => {
      const hasher = await newHasher(algorithmOf(digest));
      const hashed = async function* () {
        for await (const part of bytes) {
          hasher.update(part);
          yield part;
        }
      };
      await pipeline(Readable.from(hashed()), createWriteStream(temporary, { flags: "wx" }), { signal });
      const actual = digestOf(algorithmOf(digest), hasher.hex());
      if (actual === digest) return;
      throw new RegistryError("digest-mismatch", "the stored bytes do not match the digest", {
        digest,
        actual,
      });
    });
  }

  async finish(added: readonly NamedContent[]): Promise<void> {
    const keyOf = ({ digest, annotations }: NamedContent) => annotations?.[refName] ?? digest;
    const entries = new Map([...this.entries, ...added].map((entry) => [keyOf(entry), entry]));
    const write = (path: string, text: string) =>
      this.#put(join(this.folder, path), (temporary) => writeFile(temporary, text, { flag: "wx" }));
    await write(layoutFile, JSON.stringify({ imageLayoutVersion: layoutVersion }));
    await write(indexFile, serializeIndex([...entries.values()]));
  }

  /** Writes a temporary file, and renames it into place when it is synced. */
  async #put(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = join(this.folder, `.${randomUUID()}.tmp`);
    try {
      await makeFolders(dirname(path));
      await make(temporary);
      const handle = await open(temporary, "r");
      await handle.datasync().finally(() => handle.close());
      await rename(temporary, path);
    } catch (error) {
      throw unwritable(this.folder, error);
    } finally {
      await rm(temporary, { force: true }).catch(() => {});
    }
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "free space there, and export again to continue",
  EDQUOT: "free space there, and export again to continue",
  EACCES: "name another one, or let this user write there, or that of the server if one runs",
  EROFS: "it is on a read-only file system: name another one",
};

/** Adds what to do to an error of the system. */
function unwritable(folder: string, error: unknown): unknown {
  const { code = "", errno } = error as NodeJS.ErrnoException;
  if (errno === undefined) return error;
  const remedy = remedies[code] ?? "name another one";
  return new Error(`nothing can be exported to the folder ${folder}: ${remedy}`, { cause: error });
}
