/** Source maps in their usual form, revision 3: reading them and finding places in them. */

interface MapFile {
  readonly sources: readonly string[];
  /** Of each line, the mappings, each as differences from the previous one. */
  readonly mappings: string;
}

/** Numbers of a mapping: column in the bundle, source, line and column there. All begin with 0. */
const fields = 4;

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Reads numbers of five bits a digit, the lowest first; the lowest of all is the sign. */
function numbersIn(mapping: string): readonly number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const character of mapping) {
    const digit = digits.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}

class SourceMap {
  readonly sources: readonly string[];
  /** The fields of each mapping of each line. */
  readonly lines: readonly Int32Array[];

  constructor(text: string) {
    const { sources, mappings } = JSON.parse(text) as MapFile;
    this.sources = sources;
    const place = new Int32Array(fields);
    this.lines = mappings.split(";").map((line) => {
      place[0] = 0;
      const places: number[] = [];
      for (const mapping of line === "" ? [] : line.split(",")) {
        const differences = numbersIn(mapping);
        for (let field = 0; field < fields; field++)
          place[field] = (place[field] ?? 0) + (differences[field] ?? 0);
        // Shorter ones are of code without a source.
        if (differences.length >= fields) places.push(...place);
      }
      return Int32Array.from(places);
    });
  }

  /** Returns `FILE:LINE:COLUMN` for a place in the bundle. Lines and columns begin with 1. */
  find(line: number, column: number): string | undefined {
    const places = this.lines[line - 1] ?? new Int32Array();
    let last = 0;
    for (let at = fields; at < places.length && (places[at] ?? 0) < column; at += fields) last = at;
    const [, source = 0, sourceLine = 0, sourceColumn = 0] = places.subarray(last, last + fields);
    const name = places.length > 0 ? this.sources[source] : undefined;
    return name && `${name.replace(/^(?:\.\.\/)+/, "")}:${sourceLine + 1}:${sourceColumn + 1}`;
  }
}

export = { SourceMap, digits, fields };
