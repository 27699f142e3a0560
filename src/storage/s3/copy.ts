/** Copies objects within the store, also from its other buckets: no byte passes through this process. */
import type { Part, S3Client } from "./client.js";
import { S3Failure } from "./failure.js";
import { encodedPath } from "./signed-requests.js";
import { refuseError, rootOf, textOf } from "./xml.js";

/** An object of any bucket of the store, with its whole key. */
export interface CopySource {
  readonly bucket: string;
  readonly key: string;
}

/** The bytes from `start` to `end`, exclusive, as a part of a multipart upload of `key`. */
export interface CopiedPart {
  readonly key: string;
  readonly upload: string;
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** The largest object that one CopyObject can copy; S3 allows 5 GiB. */
const copiedBytesMax = 4 * 1024 ** 3;

/** Statuses with which a store refuses a copy: without permission, without the object, without the ability. */
const refusedCopies = [403, 404, 405, 501] as const;

/** A store that copies more slowly is better sent the bytes. */
const copiedBytesPerSecondMin = 16 * 1024 * 1024;

/** Copies an object of the client's own place. Its bytes may be replaced at any time. Rejects with `S3Failure`. */
export async function copyOwn(client: S3Client, from: string, to: string, size: number): Promise<void> {
  if (!(await copy(client, ownSource(client, from), size, to, {})))
    throw new S3Failure("an object could not be copied within the store");
}

/** Copies bytes of an object of the client's own place. Rejects with `S3Failure`. */
export async function copyOwnPart(client: S3Client, from: string, part: CopiedPart): Promise<Part> {
  const copied = await copyPart(client, ownSource(client, from), part);
  if (copied === undefined) throw new S3Failure("a part could not be copied within the store");
  return copied;
}

/**
 * Copies an object to `to`, and asks the store to compute its SHA-256 on the way, which a HEAD request tells then. Resolves with
 * false if there is no such object, or if the store refuses to copy it. Rejects with `S3Failure`.
 */
export function copyObject(client: S3Client, from: CopySource, size: number, to: string): Promise<boolean> {
  return copy(client, from, size, to, { "x-amz-checksum-algorithm": "SHA256" });
}

async function copy(
  client: S3Client,
  from: CopySource,
  size: number,
  to: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (size > copiedBytesMax) return copyInParts(client, from, size, to);
  const { status } = await client.requests.send({
    method: "PUT",
    key: to,
    headers: {
      ...client.requests.place.objectHeaders,
      ...headers,
      "x-amz-copy-source": sourceOf(from),
    },
    expected: [200, ...refusedCopies],
    moreSeconds: copySeconds(size),
    check: (answer) => refuseError(answer, "copying an object"),
  });
  return status === 200;
}

async function copyInParts(client: S3Client, from: CopySource, size: number, key: string): Promise<boolean> {
  const upload = await client.createMultipart(key);
  const parts: Part[] = [];
  try {
    for (let start = 0; start < size; start += copiedBytesMax) {
      const end = Math.min(size, start + copiedBytesMax);
      const part = await copyPart(client, from, { key, upload, number: parts.length + 1, start, end });
      if (part === undefined) {
        await client.abortMultipart(key, upload);
        return false;
      }
      parts.push(part);
    }
    await client.completeMultipart(key, upload, parts, size);
    return true;
  } catch (error) {
    await client.abortMultipart(key, upload).catch(() => {});
    throw error;
  }
}

const copiedPart = "CopyPartResult";

async function copyPart(
  client: S3Client,
  from: CopySource,
  { key, upload, number, start, end }: CopiedPart,
): Promise<Part | undefined> {
  const { bytes, status } = await client.requests.send({
    method: "PUT",
    key,
    query: { partNumber: String(number), uploadId: upload },
    headers: {
      "x-amz-copy-source": sourceOf(from),
      "x-amz-copy-source-range": `bytes=${start}-${end - 1}`,
    },
    expected: [200, ...refusedCopies],
    moreSeconds: copySeconds(end - start),
    check: (answer) => refuseError(answer, "copying a part", copiedPart),
  });
  if (status !== 200) return undefined;
  return { number, etag: textOf(rootOf(bytes, copiedPart), "ETag") };
}

function ownSource({ requests: { place } }: S3Client, key: string): CopySource {
  return { bucket: place.bucket, key: `${place.prefix}${key}` };
}

function sourceOf({ bucket, key }: CopySource): string {
  return encodedPath(`/${bucket}/${key}`);
}

function copySeconds(bytes: number): number {
  return Math.ceil(bytes / copiedBytesPerSecondMin);
}
