/** Byte ranges: of a download request (RFC 9110, section 14), and of an upload's chunk. */
import { RegistryError } from "./errors.js";

/** Inclusive on both ends, as on the wire. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * A header of 64 KiB can hold this many ranges for a layer of some MB; containers-storage requests up to 1,024 at once. More
 * ranges only serve to cause work (RFC 9110, section 14.2), so the whole content is sent instead.
 */
export const rangesMax = 4096;

/**
 * Returns what `header` selects of `size` bytes: the satisfiable ranges, `"unsatisfiable"` (416), or `"all"` if the header
 * is absent, malformed or of another unit, because a server MAY ignore the field and must ignore what it does not understand
 * (RFC 9110, section 14.2). For empty content it returns `"all"`: a proxy that requests slices accepts that, but takes 416
 * for a failure.
 */
export function selectRanges(header: string, size: number): readonly ByteRange[] | "all" | "unsatisfiable" {
  if (header === "" || size === 0) return "all";
  const equals = header.indexOf("=");
  if (equals === -1 || header.slice(0, equals).trim().toLowerCase() !== "bytes") return "all";
  const selected: ByteRange[] = [];
  const list = new RangeList(header, equals + 1);
  let total = 0;
  let count = 0;
  for (let wanted = list.next(); wanted !== "end"; wanted = list.next()) {
    if (wanted === "malformed" || ++count > rangesMax) return "all";
    const range = satisfiable(wanted, size);
    if (range === undefined) continue;
    selected.push(range);
    total += range.last - range.first + 1;
  }
  if (count === 0) return "all";
  if (selected.length === 0) return "unsatisfiable";
  // Overlapping ranges that add up to more than the whole only serve to cause traffic.
  return selected.length > 1 && total > size ? "all" : selected;
}

/** The forms in the header: `first-last`, `first-` or `-last`. */
interface WantedRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/**
 * A range that ends before it begins is invalid, and a server may ignore or reject it (section 14.2): 416 is clearer than
 * 200.
 */
function satisfiable({ first, last }: WantedRange, size: number): ByteRange | undefined {
  if (first === undefined) {
    const length = Math.min(last ?? 0, size);
    return length === 0 ? undefined : { first: size - length, last: size - 1 };
  }
  const end = Math.min(last ?? size - 1, size - 1);
  return end < first ? undefined : { first, last: end };
}

const [zero, nine, comma, dash, space, tab] = [0x30, 0x39, 0x2c, 0x2d, 0x20, 0x09];

/** A position with more digits than a number holds exactly is beyond every blob; its exact value does not matter. */
const digitsMax = 32;

/** Parses a list of ranges, reading each character once: a header of 64 KiB takes less than 1 ms. */
class RangeList {
  constructor(
    readonly text: string,
    private at: number,
  ) {}

  next(): WantedRange | "malformed" | "end" {
    // Ignore empty elements of a list (RFC 9110, section 5.6.1.2).
    while (this.#isSpace() || this.#is(comma)) this.at++;
    if (this.at >= this.text.length) return "end";
    const first = this.#number();
    if (!this.#is(dash)) return "malformed";
    this.at++;
    const last = this.#number();
    while (this.#isSpace()) this.at++;
    const ends = this.at === this.text.length || this.#is(comma);
    if (!ends || first === "malformed" || last === "malformed" || (first ?? last) === undefined)
      return "malformed";
    return { first, last };
  }

  #number(): number | undefined | "malformed" {
    const start = this.at;
    let value = 0;
    for (let digit = this.#code(); digit >= zero && digit <= nine; digit = this.#code()) {
      value = value * 10 + digit - zero;
      this.at++;
    }
    if (this.at === start) return undefined;
    return this.at - start > digitsMax ? "malformed" : value;
  }

  #is(code: number): boolean {
    return this.#code() === code;
  }

  #isSpace(): boolean {
    return this.#is(space) || this.#is(tab);
  }

  /** Returns the code of the next character; NaN at the end, which equals nothing. */
  #code(): number {
    return this.text.charCodeAt(this.at);
  }
}

const chunkGrammar = /^(\d{1,15})-(\d{1,15})$/;

/** `<range>` of a chunk: `^[0-9]+-[0-9]+$` (distribution-spec, end-5). Throws `upload-invalid`. */
export function parseContentRange(header: string): ByteRange {
  // Some clients use the form of a 206 response, `bytes 0-9/*`, which is equally clear.
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
