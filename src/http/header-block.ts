/**
 * Header fields that many responses share, prepared once and written with one call: each call into uWebSockets.js converts
 * its strings, which together takes as long as finding a manifest in memory (docs/decisions/0054).
 */
import type { HttpResponse } from "uWebSockets.js";
import { assert } from "../lib/assert.js";

export class HeaderBlock {
  readonly #name: string;
  /** The value of the first field, then the other fields as they are on the wire. */
  readonly #rest: string;
  /** The rest of the last `first` and this block. */
  #joined: { readonly first: HeaderBlock; readonly rest: string } | undefined;

  /** `headers` has at least one field. */
  constructor(headers: readonly (readonly [name: string, value: string])[]) {
    const [first, ...others] = headers;
    assert(first !== undefined, "a block of headers has a field");
    for (const [name, value] of headers) assert(!/[\r\n]/.test(name + value), "a header field is one line");
    this.#name = first[0];
    this.#rest = [first[1], ...others.map(([name, value]) => `${name}: ${value}`)].join("\r\n");
  }

  write(response: HttpResponse): void {
    response.writeHeader(this.#name, this.#rest);
  }

  /** Writes `first` and this block with one call. All responses of a server begin with the same `first`. */
  writeAfter(first: HeaderBlock, response: HttpResponse): void {
    if (this.#joined?.first !== first)
      this.#joined = { first, rest: `${first.#rest}\r\n${this.#name}: ${this.#rest}` };
    response.writeHeader(first.#name, this.#joined.rest);
  }
}
