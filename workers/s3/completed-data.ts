/**
 * Continues a multipart upload whose parts have become an object: its bytes become parts of a new one, by copies within the
 * store. Parts can neither be read nor be added any more once an upload is completed.
 */
import { randomUUID } from "node:crypto";
import type { S3Client } from "../../src/storage/s3/client.js";
import { copyOwnPart } from "../../src/storage/s3/copy.js";
import { noSuchUpload, S3Failure } from "../../src/storage/s3/failure.js";
import { keys } from "../../src/storage/s3/keys.js";
import type { SentPart, SentParts } from "../../src/storage/s3/upload-state.js";

/** The largest part that a store copies. */
const copiedPartBytes = 4 * 1024 ** 3;

/** Begins an upload under a new key with the first `size` bytes of an object. Rejects with `S3Failure`. */
export async function continueFrom(client: S3Client, from: string, size: number): Promise<SentParts> {
  const key = keys.data(randomUUID());
  const id = await client.createMultipart(key);
  try {
    const count = Math.ceil(size / copiedPartBytes);
    // All of about the same size: a store accepts no small one but the last.
    const step = Math.ceil(size / count);
    const parts: SentPart[] = [];
    for (let start = 0; start < size; start += step) {
      const end = Math.min(size, start + step);
      const part = await copyOwnPart(client, from, { key, upload: id, number: parts.length + 1, start, end });
      parts.push({ ...part, size: end - start });
    }
    return { key, id, parts };
  } catch (error) {
    await client.abortMultipart(key, id).catch(() => {});
    throw error;
  }
}

/**
 * Continues an upload that was completed meanwhile: by a node that has gone on with it from the same state, and was then killed.
 * Its object begins with the same parts, and stays, because that node may have made it the data of a blob. Rejects with the
 * code `NoSuchUpload` if there is no such object: the upload was aborted.
 */
export async function continueCompleted(
  client: S3Client,
  { key }: SentParts,
  size: number,
): Promise<SentParts> {
  const found = await client.head(key);
  if (found === undefined || found.size < size) throw uploadGone();
  return continueFrom(client, key, size);
}

/**
 * Makes the parts of an upload an object, or finds that they are one, which may have more bytes after the first `size`: those of
 * another node, or of a request that failed after it had completed the upload. Rejects with the code `NoSuchUpload` if there is no
 * such object.
 */
export async function completed(
  client: S3Client,
  { key, id, parts }: SentParts,
  size: number,
): Promise<void> {
  try {
    await client.completeMultipart(key, id, parts, size);
  } catch (error) {
    if (!isGone(error)) throw error;
    const found = await client.head(key);
    if (found === undefined || found.size < size) throw error;
  }
}

/** Whether the multipart upload was completed or aborted. */
export function isGone(error: unknown): boolean {
  return error instanceof S3Failure && error.code === noSuchUpload;
}

export function uploadGone(): S3Failure {
  return new S3Failure("the multipart upload is gone", { status: 404, code: noSuchUpload });
}
