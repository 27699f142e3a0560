/** What a response is made of: bytes that can be read from any position, as often as the socket needs it. */
import { randomUUID } from "node:crypto";
import type { SharedBlob } from "../cache/open-blobs.js";
import type { ByteRange } from "../domain/range.js";

export interface ByteSource {
  readonly size: number;
  /** The bytes, where all of them are in memory. */
  readonly bytes?: Uint8Array;
  /** Fills `into` from `position` on, as far as there are bytes; how many. */
  read(into: Uint8Array, position: number): Promise<number>;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    bytes,
    read: async (into, position) => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

export function blobSource(blob: SharedBlob): ByteSource {
  return { size: blob.size, read: (into, position) => blob.reader.read(into, position) };
}

export function rangeSource(whole: ByteSource, { first, last }: ByteRange): ByteSource {
  const size = last - first + 1;
  return {
    size,
    ...(whole.bytes !== undefined && { bytes: whole.bytes.subarray(first, last + 1) }),
    read: (into, position) => whole.read(into.subarray(0, Math.max(0, size - position)), first + position),
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
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return {
    size,
    read: async (into, position) => {
      let filled = 0;
      let start = 0;
      for (const part of parts) {
        const offset = position + filled - start;
        if (filled < into.length && offset < part.size) {
          filled += await part.read(into.subarray(filled, filled + part.size - offset), offset);
        }
        start += part.size;
      }
      return filled;
    },
  };
}
