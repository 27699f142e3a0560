/** Parts of untrusted JSON, read leniently and kept within bounds: whatever is malformed is left out. */
import { isObject, type JsonObject } from "./descriptor.js";

/** The first items of a list, and the number of all. */
export interface Some<T> {
  readonly items: readonly T[];
  readonly total: number;
}

export type NamedText = readonly [name: string, text: string];

/** Bounds the characters that all texts of one document take together. */
export class TextRoom {
  #left: number;

  constructor(
    charactersMax: number,
    /** Characters of a single text. */
    readonly textMax: number,
  ) {
    this.#left = charactersMax;
  }

  /** Returns the text, cut if it is too long or if there is no room for it. */
  keep(text: string): string {
    const length = Math.min(text.length, this.textMax, this.#left);
    this.#left -= length;
    return length < text.length ? `${text.slice(0, length)}…` : text;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  text(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? this.keep(value) : undefined;
  }

  texts(value: unknown): Some<string> {
    return this.some(Array.isArray(value) ? value : [], (item) =>
      typeof item === "string" ? this.keep(item) : undefined,
    );
  }

  /** The objects of a list. */
  objects<T>(value: unknown, read: (item: JsonObject) => T): Some<T> {
    return this.some(Array.isArray(value) ? value : [], (item) => (isObject(item) ? read(item) : undefined));
  }

  /** The fields of an object whose values are strings. */
  namedTexts(value: unknown): Some<NamedText> {
    const fields = isObject(value) ? Object.entries(value) : [];
    return this.some(fields, ([name, text]) =>
      typeof text === "string" ? ([this.keep(name), this.keep(text)] as const) : undefined,
    );
  }

  /** The keys of an object that stands for a set. */
  names(value: unknown): Some<string> {
    return this.some(isObject(value) ? Object.keys(value) : [], (name) => this.keep(name));
  }

  /** Reads as many entries of a list as there is room for. Omits those for which `read` returns `undefined`. */
  some<T, R>(list: readonly T[], read: (item: T) => R | undefined, max = Number.POSITIVE_INFINITY): Some<R> {
    const items: R[] = [];
    for (const item of list) {
      if (this.isFull || items.length >= max) break;
      const found = read(item);
      if (found !== undefined) items.push(found);
    }
    return { items, total: list.length };
  }
}
