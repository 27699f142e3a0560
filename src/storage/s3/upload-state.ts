/**
 * The stored form of an upload, with which any node can continue: a line of JSON, then the bytes that no part has yet. It is
 * written at the end of each request. The only place that parses it.
 */
import { isObject } from "../../domain/descriptor.js";
import type { Part } from "./client.js";
import type { Data } from "./contents.js";

export interface SentPart extends Part {
  /** In bytes. */
  readonly size: number;
}

/** A multipart upload of the final data. */
export interface SentParts {
  readonly key: string;
  readonly id: string;
  readonly parts: readonly SentPart[];
}

export interface StoredUpload {
  /** The serialized record of the session. */
  readonly record: string;
  /** The parts that are in the store. */
  readonly sent: SentParts | undefined;
  /** The state of the hash after the bytes in `sent`, by hash-wasm. Absent if it cannot be stored. */
  readonly hash: Uint8Array | undefined;
  /** The hexadecimal hash of all bytes so far: if none come, the upload can be closed without reading it again. */
  readonly hex: string;
  /** The bytes after those in `sent`. */
  readonly rest: Uint8Array;
  /** Whether the upload is being removed, so that nobody may continue it. */
  readonly ended?: boolean;
  /** Whether another node may have early data of this upload, which stays when the upload ends. */
  readonly leavesEarly?: boolean;
  /** Whether no other node can have completed the parts, and made them a content. Not part of the serialized form. */
  readonly isAlone?: boolean;
  /** Whether a commit that has failed may have completed the parts. Not part of the serialized form. */
  readonly mayBeCompleted?: boolean;
  /** Present if the bytes are stored as data that nobody else may use, see `EarlyData`. Not part of the serialized form. */
  readonly early?: EarlyData;
}

/**
 * The data of an upload that was stored at the end of its first request, before the client has closed
 * the upload. Its note makes it a stored upload, too. Only the node that has written it, or to which that node has handed the
 * upload over, may make it a content or remove it (docs/decisions/0044).
 */
export interface EarlyData extends Data {
  /** By `now()`: later it may be swept, so it must not become a content. */
  readonly usedBefore: number;
}

/** A client that has streamed all bytes closes the upload at once. A sweep waits for longer. */
export const earlySeconds = 60;

/** Stores accept 2 KB of notes at one object. */
const noteCharactersMax = 1900;

/** Returns the note of early data, or `undefined` if it would be too long. */
export function earlyNote(record: string, hex: string, nonce: string): string | undefined {
  const note = Buffer.from(JSON.stringify({ record, hex, nonce })).toString("base64url");
  return note.length > noteCharactersMax ? undefined : note;
}

/** Returns `undefined` for data of another kind. */
export function parseEarly(bytes: Buffer, note: string | undefined): StoredUpload | undefined {
  const { record, hex } = (note && headOf(Buffer.from(note, "base64url"))) || {};
  if (typeof record !== "string" || typeof hex !== "string") return undefined;
  return { record, sent: undefined, hash: undefined, hex, rest: bytes };
}

/** Returns the number of bytes in the parts. */
export function sentBytes(sent: SentParts | undefined): number {
  return sent?.parts.reduce((sum, { size }) => sum + size, 0) ?? 0;
}

export function receivedOf({ sent, rest }: StoredUpload): number {
  return sentBytes(sent) + rest.length;
}

const newline = 0x0a;

/** `nonce` makes each version different, so that its ETag is. */
export function serializeUpload(upload: StoredUpload, nonce: string): Buffer {
  return Buffer.concat([lineOf(upload, upload.rest.length, nonce), upload.rest]);
}

/** Returns the line that comes before the rest, which has so many bytes. */
export function lineOf(
  { record, sent, hash, hex, ended, leavesEarly }: Omit<StoredUpload, "rest">,
  rest: number,
  nonce: string,
): Buffer {
  const head = {
    record,
    received: sentBytes(sent) + rest,
    sent,
    hash: hash && Buffer.from(hash).toString("base64"),
    hex,
    rest,
    ended,
    leavesEarly,
    nonce,
  };
  return Buffer.from(`${JSON.stringify(head)}\n`);
}

/** Returns `undefined` for bytes of another form. */
export function parseUpload(bytes: Buffer): StoredUpload | undefined {
  const end = bytes.indexOf(newline);
  const head = headOf(bytes.subarray(0, Math.max(0, end)));
  if (head === undefined) return undefined;
  const rest = bytes.subarray(end + 1);
  const { record, hash, hex, sent } = head;
  if (typeof record !== "string" || typeof hex !== "string" || head.rest !== rest.length) return undefined;
  const parts = sent === undefined ? undefined : partsOf(sent);
  if (sent !== undefined && parts === undefined) return undefined;
  return {
    record,
    sent: parts,
    hash: typeof hash === "string" ? Buffer.from(hash, "base64") : undefined,
    hex,
    rest,
    ended: head.ended === true,
    leavesEarly: head.leavesEarly === true,
  };
}

function headOf(line: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(line.toString());
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function partsOf(sent: unknown): SentParts | undefined {
  if (!isObject(sent)) return undefined;
  const { key, id, parts } = sent;
  if (typeof key !== "string" || typeof id !== "string" || !Array.isArray(parts)) return undefined;
  const read: SentPart[] = [];
  for (const part of parts as unknown[]) {
    if (!isObject(part)) return undefined;
    const { number, etag, size } = part;
    if (typeof number !== "number" || typeof etag !== "string" || typeof size !== "number") return undefined;
    read.push({ number, etag, size });
  }
  return { key, id, parts: read };
}
