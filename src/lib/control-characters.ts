/**
 * Characters that a terminal or a reader of logs obeys instead of showing them: control characters (C0, DEL, C1), what
 * turns the direction of text, what breaks lines, and what has no width. Text that somebody else has chosen is shown
 * with their escapes, so that it cannot rewrite the screen, hide itself, or look like another line.
 */

/** Unicode's Cc, Cf, Zl and Zp, halves of surrogate pairs (Cs), and other characters that have no glyph (DI). */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** JSON's escapes, which show what they stand for and are read back by a parser. */
function escapeOf(character: string): string {
  let escaped = "";
  // A character outside the first plane has two units, each with its escape.
  for (let index = 0; index < character.length; index++)
    escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  return escaped;
}

/** Printable ASCII, which most text is, needs no look at Unicode's tables. */
const isPlain = /^[\x20-\x7e]*\n?$/;

/** A line of JSON with the same meaning and without such characters. Its final line feed stays. */
export function escapeJsonLine(line: string): string {
  if (isPlain.test(line)) return line;
  const end = line.endsWith("\n") ? "\n" : "";
  return `${line.slice(0, line.length - end.length).replace(invisible, escapeOf)}${end}`;
}

/** Text for people: line feeds and tabs stay, as a report of several lines has them. */
export function visibleText(text: string): string {
  return text.replace(invisible, (character) =>
    character === "\n" || character === "\t" ? character : escapeOf(character),
  );
}

/** Text of which each line feed is shown as well: what stands on one line stays on it. */
export function visibleLine(text: string): string {
  if (isPlain.test(text) && !text.endsWith("\n")) return text;
  return text.replace(invisible, (character) => (character === "\n" ? "\\n" : escapeOf(character)));
}

/** What a line of JSON says, each text in it on one line. A `stack` keeps its lines. */
export function visibleFields(value: unknown, name = ""): unknown {
  if (typeof value === "string") return name === "stack" ? visibleText(value) : visibleLine(value);
  if (Array.isArray(value)) return value.map((one) => visibleFields(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [visibleLine(key), visibleFields(below, key)]),
  );
}
