/** The beginning of a document, for people. */
import { type PrettyText, prettyJson } from "../lib/pretty-json.js";

/** A page shows less, because markup takes more bytes. */
const charactersMax = 40_000;

/** Every character has at most four bytes. */
const bytesMax = charactersMax * 4;

/** Returns the text with broken UTF-8 replaced, indented if it looks like JSON. */
export function textHead(bytes: Uint8Array): PrettyText {
  const text = new TextDecoder().decode(bytes.subarray(0, bytesMax));
  const isWhole = bytes.length <= bytesMax;
  const start = text.trimStart()[0];
  if (start === "{" || start === "[") {
    const pretty = prettyJson(text, charactersMax);
    return { text: pretty.text, isTruncated: pretty.isTruncated || !isWhole };
  }
  return { text: text.slice(0, charactersMax), isTruncated: text.length > charactersMax || !isWhole };
}
