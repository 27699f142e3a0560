/**
 * Measures the shape of a JSON text without building its values: JSON.parse takes a second and hundreds of megabytes for a
 * few megabytes of empty arrays or short keys. Costs about a millisecond per MiB.
 */

export interface JsonShape {
  /** Nesting depth; 1 for a flat object. */
  readonly depth: number;
  /** Members of all objects, counting duplicate keys. */
  readonly keys: number;
  /** Objects, arrays and commas: at least the number of values minus one. */
  readonly entries: number;
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBrace = 0x7d;
const closeBracket = 0x5d;

/** Returns the shape of `bytes`, assuming that they are valid JSON in UTF-8, which it does not check. */
export function jsonShape(bytes: Uint8Array): JsonShape {
  const { length } = bytes;
  let depth = 0;
  let depthMax = 0;
  let keys = 0;
  let entries = 0;
  for (let index = 0; index < length; index++) {
    switch (bytes[index]) {
      case quote:
        for (index++; index < length && bytes[index] !== quote; index++)
          if (bytes[index] === backslash) index++;
        break;
      case openBrace:
      case openBracket:
        entries++;
        depth++;
        if (depth > depthMax) depthMax = depth;
        break;
      case closeBrace:
      case closeBracket:
        depth--;
        break;
      case colon:
        keys++;
        break;
      case comma:
        entries++;
        break;
    }
  }
  return { depth: depthMax, keys, entries };
}

/**
 * Returns a key that an object in `bytes`, which are valid JSON, has twice; `undefined` if there is none. Only for the message of
 * an error: it keeps all keys in memory.
 */
export function duplicateKey(bytes: Uint8Array): string | undefined {
  // A character for each byte: comparing parts of one text takes half the time of decoding each key.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  /** The keys of each object and list around the current place; a list has none. */
  const open: Set<string>[] = [];
  let begin = 0;
  let isEscaped = false;
  let key = "";
  for (let index = 0; index < bytes.length; index++) {
    switch (bytes[index]) {
      case quote:
        begin = index;
        isEscaped = false;
        for (index++; index < bytes.length && bytes[index] !== quote; index++)
          if (bytes[index] === backslash) {
            isEscaped = true;
            index++;
          }
        key = text.slice(begin + 1, index);
        break;
      case openBrace:
      case openBracket:
        open.push(new Set());
        break;
      case closeBrace:
      case closeBracket:
        open.pop();
        break;
      case colon: {
        // One outside of a string follows a key.
        const keys = open.at(-1);
        if (isEscaped) key = Buffer.from(JSON.parse(`"${utf8(key)}"`)).toString("latin1");
        if (keys?.has(key)) return utf8(key);
        keys?.add(key);
      }
    }
  }
  return undefined;
}

/** Decodes a text with a character for each byte. */
function utf8(text: string): string {
  return Buffer.from(text, "latin1").toString();
}

/** Counts the keys of all objects in a parsed value: fewer than `jsonShape` counts if an object has a duplicate key. */
export function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countKeys(item), 0);
  let count = 0;
  for (const item of Object.values(value)) count += 1 + countKeys(item);
  return count;
}
