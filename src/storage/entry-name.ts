/**
 * The names of the entries of tags' histories. A name is the whole entry, so that listing a folder reads the history, and
 * adding an entry writes no data: `<time>[-<nonce>].[removed:]<digest>.<subject>`. The time counts down, so that newer entries
 * come first in ASCII order. The subject is base64url, because users choose it.
 */
import { isDigest } from "../domain/digest.js";
import type { TagEntry } from "../domain/tag-history.js";

/** File systems allow no more bytes in a name. */
const nameBytesMax = 255;

/** The last millisecond whose time has 13 digits, in the year 2286. */
const timeMax = 9_999_999_999_999;

const ellipsis = Buffer.from("…");

const removedMark = "removed:";
const nameGrammar = /^(\d{13})(?:-([\w-]+))?\.(removed:)?([^.]*)\.([\w-]*)$/;

export interface NamedEntry extends TagEntry {
  readonly name: string;
  /** Makes the names of two entries different. */
  readonly nonce?: string;
}

/** Returns the name of an entry. Cuts a subject that is too long for it. */
export function entryName({ kind, digest, at, by = "" }: TagEntry, nonce?: string): string {
  const time = String(timeMax - Math.min(timeMax, Math.max(0, Math.trunc(at)))).padStart(13, "0");
  const mark = kind === "removed" ? removedMark : "";
  const start = `${time}${nonce === undefined ? "" : `-${nonce}`}.${mark}${digest ?? ""}.`;
  return `${start}${encodedSubject(by, nameBytesMax - start.length)}`;
}

/** Returns the entry of that name, or `undefined` if it is the name of something else. */
export function parseEntryName(name: string): NamedEntry | undefined {
  const [, time, nonce, mark, digest = "", subject = ""] = nameGrammar.exec(name) ?? [];
  if (time === undefined || !(isDigest(digest) || (mark !== undefined && digest === ""))) return undefined;
  const by = Buffer.from(subject, "base64url").toString();
  return {
    name,
    kind: mark === undefined ? "pointed" : "removed",
    ...(isDigest(digest) && { digest }),
    at: timeMax - Number(time),
    ...(by !== "" && { by }),
    ...(nonce !== undefined && { nonce }),
  };
}

/** Returns the entries among the names, newest first. */
export function entriesAmong(names: Iterable<string>): NamedEntry[] {
  const entries: NamedEntry[] = [];
  for (const name of names) {
    const entry = parseEntryName(name);
    if (entry !== undefined) entries.push(entry);
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Cuts the subject between two characters. */
function encodedSubject(by: string, charactersMax: number): string {
  const bytes = Buffer.from(by);
  const bytesMax = Math.floor((charactersMax * 3) / 4);
  if (bytes.length <= bytesMax) return bytes.toString("base64url");
  let end = bytesMax - ellipsis.length;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return Buffer.concat([bytes.subarray(0, end), ellipsis]).toString("base64url");
}
