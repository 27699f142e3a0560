/** Byte ranges: what a download asks for (RFC 9110, section 14) and what an upload's chunk claims to be. */
import { RegistryError } from "./errors.js";

/** Inclusive on both ends, as on the wire. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * As many ranges as a header of 64 KiB has for a layer of some MB; containers-storage asks for up to 1,024 at once. If
 * there are more, which only serve to make us work (RFC 9110, section 14.2), all is sent instead.
 */
export const rangesMax = 4096;

/**
 * What `header` selects of `size` bytes: the satisfiable ranges, `"unsatisfiable"` (416), or `"all"`
 * where the header is absent, malformed or of another unit, since a server MAY ignore the field and
 * must ignore what it does not understand (RFC 9110, section 14.2). Of nothing, all is sent: a proxy that asks for
 * slices takes that for what it wanted, and 416 for a failure.
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
  // Overlapping ranges that add up to more than the whole only serve to make us send more than there is.
  return selected.length > 1 && total > size ? "all" : selected;
}

/** As it is written: `first-last`, `first-` or `-last`. */
interface WantedRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/** One that ends before it begins is invalid, which a server may ignore or reject (section 14.2): 416 says more than 200. */
function satisfiable({ first, last }: WantedRange, size: number): ByteRange | undefined {
  if (first === undefined) {
    const length = Math.min(last ?? 0, size);
    return length === 0 ? undefined : { first: size - length, last: size - 1 };
  }
  const end = Math.min(last ?? size - 1, size - 1);
  return end < first ? undefined : { first, last: end };
}

const [zero, nine, comma, dash, space, tab] = [0x30, 0x39, 0x2c, 0x2d, 0x20, 0x09];

/** A position of more digits than a number holds exactly lies beyond every blob, and that is all that counts of it. */
const digitsMax = 32;

/** Reads a list of ranges, each character once: a header of 64 KiB takes less than 1 ms. */
class RangeList {
  constructor(
    readonly text: string,
    private at: number,
  ) {}

  next(): WantedRange | "malformed" | "end" {
    // Empty elements of a list are passed over (RFC 9110, section 5.6.1.2).
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

  /** Of the next character; not a number at the end, which equals nothing. */
  #code(): number {
    return this.text.charCodeAt(this.at);
  }
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
