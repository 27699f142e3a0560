/**
 * Reads the small objects of the driver, each a record in JSON. A damaged one counts as absent and is reported, so that it
 * hides no others.
 */
import { isObject, type JsonObject } from "../../domain/descriptor.js";
import type { S3Client, Stamp } from "./client.js";
import { ifTooLarge } from "./failure.js";

/** Called with the key of an object, and with the reason why it is stray. */
export type OnStray = (key: string, why: string) => void;

/** Records are read in parallel, this many at once for each call. */
export const recordsAtOnce = 16;

/** A record has at most some hundred kilobytes of annotations. */
const recordBytesMax = 1024 * 1024;

export interface StoredRecord<T> extends Pick<Stamp, "etag" | "modifiedAt"> {
  /** Absent if the object is damaged. */
  readonly value?: T;
}

export class StoredRecords {
  constructor(
    readonly client: S3Client,
    readonly onStray: OnStray,
  ) {}

  /** Resolves with a record, also a damaged one; `undefined` if there is none. `parse` returns `undefined` for damage. */
  async find<T>(key: string, parse: (bytes: Buffer) => T | undefined): Promise<StoredRecord<T> | undefined> {
    const object = await this.client.get(key, recordBytesMax).catch((error: unknown) => {
      ifTooLarge(error);
      return "too large" as const;
    });
    const found = object === "too large" ? await this.client.head(key) : object;
    if (found === undefined) return undefined;
    const value = "bytes" in found ? parse(found.bytes) : undefined;
    const { etag, modifiedAt } = found;
    if (value !== undefined) return { etag, modifiedAt, value };
    this.onStray(key, "damaged, so that it counts as absent");
    return { etag, modifiedAt };
  }

  /** Resolves with the content of a record; `undefined` if there is none, or if it is damaged. */
  async read<T>(key: string, parse: (bytes: Buffer) => T | undefined): Promise<T | undefined> {
    return (await this.find(key, parse))?.value;
  }

  /** Yields the rest of each key below `prefix` that `isName` accepts, in ASCII order, after `after`. */
  async *names<T extends string>(
    prefix: string,
    isName: (text: string) => text is T,
    after = "",
  ): AsyncGenerator<{ readonly name: T; readonly modifiedAt: number; readonly size: number }, void> {
    const start = after === "" ? "" : `${prefix}${after}`;
    for await (const { key, modifiedAt, size } of this.client.list(prefix, start)) {
      const name = key.slice(prefix.length);
      if (isName(name)) yield { name, modifiedAt: wholeSeconds(modifiedAt), size };
      else this.onStray(key, "not part of the store");
    }
  }
}

/** Returns an object in JSON, or `undefined` for anything else. */
export function jsonObject(bytes: Buffer): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(bytes.toString());
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** A listing may be finer than the `Last-Modified` of the same object, with which it is compared. */
function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}
