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

  /** Rejects if the directory contains files but no layout. */
  static async open(path: string): Promise<LayoutWriter> {
    const folder = resolve(path);
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
    await makeFolders(dirname(path));
    const temporary = join(this.folder, `.${randomUUID()}.tmp`);
    try {
      await make(temporary);
      const handle = await open(temporary, "r");
      await handle.datasync().finally(() => handle.close());
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}
