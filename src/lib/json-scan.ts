/**
 * Counts what a JSON text consists of without building it: JSON.parse takes a second and hundreds of megabytes for a
 * few megabytes of empty lists or short keys. Costs about a millisecond per MiB.
 */

export interface JsonShape {
  /** Objects and lists inside one another; 1 for a flat object. */
  readonly depth: number;
  /** Members of all objects, whether their keys differ or not. */
  readonly keys: number;
  /** Objects, lists and the commas in them: no fewer than there are values but one. */
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

/** The shape of `bytes` if they are JSON in UTF-8. Says nothing about whether they are. */
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

/** Keys of all objects in what JSON.parse returned. Fewer than `jsonShape` counts if an object has a key twice. */
export function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countKeys(item), 0);
  let count = 0;
  for (const item of Object.values(value)) count += 1 + countKeys(item);
  return count;
}
