/** Byte ranges: what a download asks for (RFC 9110, section 14) and what an upload's chunk claims to be. */
import { RegistryError } from "./errors.js";

/** Inclusive on both ends, as on the wire. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** More ranges in one request than this are a denial-of-service attempt (RFC 9110, section 14.2): all is sent instead. */
export const rangesMax = 16;

/** A position of more digits than a number holds exactly lies beyond every blob, and that is all that counts of it. */
const rangeSpecification = /^(?:(\d{1,32})-(\d{0,32})|-(\d{1,32}))$/;

/**
 * What `header` selects of `size` bytes: the satisfiable ranges, `"unsatisfiable"` (416), or `"all"`
 * where the header is absent, malformed or of another unit, since a server MAY ignore the field and
 * must ignore what it does not understand (RFC 9110, section 14.2).
 */
export function selectRanges(header: string, size: number): readonly ByteRange[] | "all" | "unsatisfiable" {
  if (header === "") return "all";
  const equals = header.indexOf("=");
  if (equals === -1 || header.slice(0, equals).trim().toLowerCase() !== "bytes") return "all";
  const parts = header
    .slice(equals + 1)
    .split(",", rangesMax + 1)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (parts.length === 0 || parts.length > rangesMax) return "all";
  const selected: ByteRange[] = [];
  let total = 0;
  for (const part of parts) {
    const match = rangeSpecification.exec(part);
    if (match === null) return "all";
    const [, from, to, suffix] = match;
    const range = suffix === undefined ? openOrClosed(from ?? "", to ?? "", size) : lastBytes(suffix, size);
    if (range === "unsatisfiable") continue;
    selected.push(range);
    total += range.last - range.first + 1;
  }
  if (selected.length === 0) return "unsatisfiable";
  // Overlapping ranges that add up to more than the whole only serve to make us send more than there is.
  return selected.length > 1 && total > size ? "all" : selected;
}

/** One that ends before it begins is invalid, which a server may ignore or reject (section 14.2): 416 says more than 200. */
function openOrClosed(from: string, to: string, size: number): ByteRange | "unsatisfiable" {
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return last < first ? "unsatisfiable" : { first, last };
}

function lastBytes(suffix: string, size: number): ByteRange | "unsatisfiable" {
  const length = Math.min(Number(suffix), size);
  return length === 0 ? "unsatisfiable" : { first: size - length, last: size - 1 };
}

const chunkGrammar = /^(\d{1,15})-(\d{1,15})$/;

/** `<range>` of a chunk: `^[0-9]+-[0-9]+$` (distribution-spec, end-5). Throws `upload-invalid`. */
export function parseContentRange(header: string): ByteRange {
  // Some clients write it as for a 206 answer, `bytes 0-9/*`; what it says is as clear.
  const text = header
    .trim()
    .replace(/^bytes[ =]/, "")
    .replace(/\/(?:\d+|\*)$/, "");
  const match = chunkGrammar.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first) {
    throw new RegistryError("upload-invalid", "Content-Range of a chunk is <first>-<last>, both inclusive", {
      contentRange: header.slice(0, 64),
    });
  }
  return { first, last };
}
