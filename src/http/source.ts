/** What a response is made of: bytes that can be had from any position, as often as the socket needs it. */
import type { Piece } from "../cache/blob-chunks.js";
import type { SharedBlob } from "../cache/open-blobs.js";
import type { ByteRange } from "../domain/range.js";

export interface ByteSource {
  readonly size: number;
  /** The bytes, where all of them are in memory. */
  readonly bytes?: Uint8Array;
  /** Some bytes, one at least, from `position` on, which lies within the source. */
  at(position: number): Piece | Promise<Piece>;
  /** Fills `into` from `position` on; absent where `bytes` has all. Cheaper than `at` for a few bytes here and there. */
  readonly read?: (into: Uint8Array, position: number) => Promise<number>;
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

/** At most the first `length` bytes of the piece. */
export function cutPiece({ bytes, release }: Piece, length: number): Piece {
  return { bytes: bytes.subarray(0, length), release };
}
