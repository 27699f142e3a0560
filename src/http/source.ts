/** The content of a response: bytes that can be read from any position, repeatedly. */
import type { Piece } from "../cache/blob-chunks.js";
import type { ReadableBlob } from "../cache/open-blobs.js";
import type { ByteRange } from "../domain/range.js";

export interface ByteSource {
  readonly size: number;
  /** All bytes, if they are in memory. */
  readonly bytes?: Uint8Array;
  /** Returns one or more bytes from `position` on, which must lie within the source. */
  at(position: number): Piece | Promise<Piece>;
  /** Fills `into` from `position` on. Absent if `bytes` is present. Cheaper than `at` for a few scattered bytes. */
  readonly read?: (into: Uint8Array, position: number) => Promise<number>;
  /** Hints that `position` will be read next. */
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

export function blobSource(blob: ReadableBlob): ByteSource {
  return {
    size: blob.size,
    at: (position) => blob.at(position),
    read: (into, position) => blob.reader.read(into, position),
    readAhead: (position) => blob.readAhead(position),
  };
}

export function rangeSource(whole: ByteSource, { first, last }: ByteRange): ByteSource {
  const size = last - first + 1;
  return {
    size,
    ...(whole.bytes !== undefined && { bytes: whole.bytes.subarray(first, last + 1) }),
    at: (position) => {
      const piece = whole.at(first + position);
      return piece instanceof Promise
        ? piece.then((come) => cutPiece(come, size - position))
        : cutPiece(piece, size - position);
    },
    readAhead: (position) => {
      if (position < size) whole.readAhead(first + position);
    },
  };
}

/** Returns at most the first `length` bytes of the piece. */
export function cutPiece({ bytes, release }: Piece, length: number): Piece {
  return { bytes: bytes.subarray(0, length), release };
}
