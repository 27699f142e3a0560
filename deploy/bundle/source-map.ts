/** Source maps for stack traces: only the place of each line, half of the size. */
import maps from "../../src/start/source-map.cjs";

/** Omits names, and mappings that differ from the previous one of their line only in the column. */
export function thinned(text: string): string {
  const { sources, lines } = new maps.SourceMap(text);
  const written = new Int32Array(maps.fields);
  const mappings = lines.map((places) => {
    written[0] = 0;
    const kept: string[] = [];
    for (let at = 0; at < places.length; at += maps.fields) {
      const place = places.subarray(at, at + maps.fields);
      if (kept.length > 0 && place[1] === written[1] && place[2] === written[2]) continue;
      kept.push(Array.from(place, (number, field) => encoded(number - (written[field] ?? 0))).join(""));
      written.set(place);
    }
    return kept.join(",");
  });
  return JSON.stringify({ version: 3, sources, names: [], mappings: mappings.join(";") });
}

function encoded(number: number): string {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = "";
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += maps.digits[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return text;
}
