/**
 * Keeps untrusted text within the size of a page. Sizes are bytes of HTML: one character of the text may take six of them, and
 * one that is invisible is shown as an escape.
 */
import { visibleLine, visibleText } from "../../lib/control-characters.js";

/** As the template library escapes them. */
const escapedBytes: Readonly<Record<string, number>> = { "&": 5, "<": 4, ">": 4, '"': 6, "'": 5 };

function bytesOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return escapedBytes[character] ?? 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}

/** Returns the bytes that visible text takes in a page. */
export function htmlBytes(text: string): number {
  let bytes = 0;
  for (const character of text) bytes += bytesOf(character);
  return bytes;
}

/** Returns the visible form of a text on one line, cut so that it takes at most `bytesMax` in a page. */
export function fitLine(text: string, bytesMax: number): string {
  return cut(visibleLine(text.slice(0, bytesMax)), text.length > bytesMax, bytesMax);
}

/** Like `fitLine`, for text of several lines. */
export function fitText(text: string, bytesMax: number): string {
  return cut(visibleText(text.slice(0, bytesMax)), text.length > bytesMax, bytesMax);
}

const ellipsisBytes = 3;

function cut(visible: string, isTruncated: boolean, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  let endWithEllipsis = 0;
  for (const character of visible) {
    bytes += bytesOf(character);
    if (bytes > bytesMax) return `${visible.slice(0, endWithEllipsis)}…`;
    end += character.length;
    if (bytes <= bytesMax - ellipsisBytes) endWithEllipsis = end;
  }
  return isTruncated ? `${visible.slice(0, endWithEllipsis)}…` : visible;
}

/** Returns the first items that take at most `bytesMax` together, but at least one. */
export function fitItems<T>(
  items: readonly T[],
  bytesMax: number,
  costOf: (item: T) => number,
): readonly T[] {
  let bytes = 0;
  const index = items.findIndex((item, place) => {
    bytes += costOf(item);
    return place > 0 && bytes > bytesMax;
  });
  return index === -1 ? items : items.slice(0, index);
}
