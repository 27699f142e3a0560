/**
 * Finds some files in a compressed archive that a stranger made. Nothing is extracted, so that names and links in it can do no
 * harm; a limit on the expanded bytes ends archives that expand to gigabytes.
 */
import { createGunzip } from "node:zlib";

export interface TarLimits {
  /** Expanded bytes that are looked at. */
  readonly bytesMax: number;
  /** Bytes that are kept of a file. */
  readonly fileBytesMax: number;
}

const blockBytes = 512;

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly isFile: boolean;
}

/**
 * Returns the beginnings of the first files that `nameOf` gives a name, by that name. Ends at `wanted` files. Rejects for
 * bytes that are no such archive, unless something was found before.
 */
export async function tarFiles(
  compressed: Uint8Array,
  nameOf: (path: string) => string | undefined,
  wanted: number,
  { bytesMax, fileBytesMax }: TarLimits,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const gunzip = createGunzip();
  gunzip.end(compressed);
  let pending: Buffer = Buffer.alloc(0);
  let expanded = 0;
  /** Bytes of the current entry that are still to come, with padding. */
  let rest = 0;
  let kept: { readonly name: string; readonly pieces: Buffer[]; left: number } | undefined;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      expanded += chunk.length;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      for (;;) {
        if (rest > 0) {
          const taken = pending.subarray(0, rest);
          if (kept !== undefined) {
            kept.pieces.push(taken.subarray(0, kept.left));
            kept.left -= Math.min(kept.left, taken.length);
          }
          rest -= taken.length;
          pending = pending.subarray(taken.length);
          if (rest > 0) break;
        }
        if (kept !== undefined) {
          found.set(kept.name, Buffer.concat(kept.pieces));
          kept = undefined;
          if (found.size === wanted) return found;
        }
        if (pending.length < blockBytes) break;
        const entry = parseHeader(pending.subarray(0, blockBytes));
        if (entry === "end") return found;
        pending = pending.subarray(blockBytes);
        rest = Math.ceil(entry.size / blockBytes) * blockBytes;
        const name = entry.isFile ? nameOf(entry.name) : undefined;
        if (name !== undefined && !found.has(name))
          kept = { name, pieces: [], left: Math.min(entry.size, fileBytesMax) };
      }
      if (expanded > bytesMax) return found;
    }
  } catch (error) {
    if (found.size === 0) throw error;
  }
  return found;
}

/** Throws for bytes that are no header. */
function parseHeader(header: Buffer): Entry | "end" {
  if (header.every((byte) => byte === 0)) return "end";
  if (checksumOf(header) !== octal(header, 148, 8)) throw new Error("no archive: a checksum is wrong");
  const name = textAt(header, 0, 100);
  const prefix = textAt(header, 257, 5) === "ustar" ? textAt(header, 345, 155) : "";
  const type = header[156];
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: octal(header, 124, 12),
    isFile: type === 0x30 || type === 0,
  };
}

/** The checksum counts itself as spaces. */
function checksumOf(header: Buffer): number {
  let sum = 0;
  for (let index = 0; index < blockBytes; index++)
    sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  return sum;
}

function octal(header: Buffer, start: number, length: number): number {
  const text = textAt(header, start, length).trim();
  // Sizes of 8 GiB and more have another form.
  if (!/^[0-7]+$/.test(text)) throw new Error("no archive: a number is malformed");
  return Number.parseInt(text, 8);
}

function textAt(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString("utf8");
}
