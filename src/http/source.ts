/** What a response is made of: bytes that can be had from any position, as often as the socket needs it. */
import { randomUUID } from "node:crypto";
import type { Piece } from "../cache/blob-chunks.js";
import type { SharedBlob } from "../cache/open-blobs.js";
import type { ByteRange } from "../domain/range.js";

export interface ByteSource {
  readonly size: number;
  /** The bytes, where all of them are in memory. */
  readonly bytes?: Uint8Array;
  /** Some bytes, one at least, from `position` on, which lies within the source. */
  at(position: number): Piece | Promise<Piece>;
  /** Told what will be asked for next. */
  readAhead(position: number): void;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    bytes,
    at: (position) => ({ bytes: bytes.subarray(position), release: () => {} }),
    readAhead: () => {},
  };
}

export function blobSource(blob: SharedBlob): ByteSource {
  return {
    size: blob.size,
    at: (position) => blob.at(position),
    readAhead: (position) => blob.readAhead(position),
  };
}

export function rangeSource(whole: ByteSource, { first, last }: ByteRange): ByteSource {
  const size = last - first + 1;
  const cut = ({ bytes, release }: Piece, position: number): Piece => ({
    bytes: bytes.subarray(0, size - position),
    release,
  });
  return {
    size,
    ...(whole.bytes !== undefined && { bytes: whole.bytes.subarray(first, last + 1) }),
    at: (position) => {
      const piece = whole.at(first + position);
      return piece instanceof Promise ? piece.then((come) => cut(come, position)) : cut(piece, position);
    },
    readAhead: (position) => {
      if (position < size) whole.readAhead(first + position);
    },
  };
}

/** Several ranges in one response: `multipart/byteranges` (RFC 9110, section 14.6). */
export function severalRanges(
  whole: ByteSource,
  ranges: readonly ByteRange[],
): { source: ByteSource; contentType: string } {
  const boundary = randomUUID();
  const parts = ranges.flatMap((range) => [
    memorySource(
      Buffer.from(
        `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n` +
          `Content-Range: bytes ${range.first}-${range.last}/${whole.size}\r\n\r\n`,
      ),
    ),
    rangeSource(whole, range),
  ]);
  const end = memorySource(Buffer.from(`\r\n--${boundary}--\r\n`));
  return {
    source: concatenation([...parts, end]),
    contentType: `multipart/byteranges; boundary=${boundary}`,
  };
}

function concatenation(parts: readonly ByteSource[]): ByteSource {
  const partAt = (position: number): { part: ByteSource; offset: number } | undefined => {
    let offset = position;
    for (const part of parts) {
      if (offset < part.size) return { part, offset };
      offset -= part.size;
    }
    return undefined;
  };
  return {
    size: parts.reduce((sum, part) => sum + part.size, 0),
    at: (position) => {
      const found = partAt(position);
      if (found === undefined) throw new Error("invariant broken: asked for bytes behind the end");
      return found.part.at(found.offset);
    },
    readAhead: (position) => {
      const found = partAt(position);
      found?.part.readAhead(found.offset);
    },
  };
}
