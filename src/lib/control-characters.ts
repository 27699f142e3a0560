/**
 * Escapes characters that a terminal or log viewer obeys instead of showing: control characters (C0, DEL, C1), changes of
 * text direction, line separators and characters without width. Untrusted text is escaped before it is shown, so that it
 * cannot rewrite the screen, hide itself or look like another line.
 */

/** Unicode's Cc, Cf, Zl and Zp, halves of surrogate pairs (Cs), and other characters that have no glyph (DI). */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** Escapes as in JSON: readable, and a parser restores the text. */
function escapeOf(character: string): string {
  let escaped = "";
  // A character outside the first plane has two units, each with its escape.
  for (let index = 0; index < character.length; index++)
    escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  return escaped;
}

/** The fast path: most text is printable ASCII. */
const isPlain = /^[\x20-\x7e]*\n?$/;

/** Returns a line of JSON with the same meaning and without such characters. Keeps the final line feed. */
export function escapeJsonLine(line: string): string {
  if (isPlain.test(line)) return line;
  const end = line.endsWith("\n") ? "\n" : "";
  return `${line.slice(0, line.length - end.length).replace(invisible, escapeOf)}${end}`;
}

/** Escapes text of several lines: keeps line feeds and tabs. */
export function visibleText(text: string): string {
  return text.replace(invisible, (character) =>
    character === "\n" || character === "\t" ? character : escapeOf(character),
  );
}

/** Escapes text that must stay on one line: line feeds too. */
export function visibleLine(text: string): string {
  if (isPlain.test(text) && !text.endsWith("\n")) return text;
  return text.replace(invisible, (character) => (character === "\n" ? "\\n" : escapeOf(character)));
}

/** Escapes every string in a parsed line of JSON, each to one line. A `stack` keeps its line feeds. */
export function visibleFields(value: unknown, name = ""): unknown {
  if (typeof value === "string") return name === "stack" ? visibleText(value) : visibleLine(value);
  if (Array.isArray(value)) return value.map((one) => visibleFields(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [visibleLine(key), visibleFields(below, key)]),
  );
}
