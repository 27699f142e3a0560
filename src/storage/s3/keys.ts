/**
 * The keys of all objects (docs/decisions/0044). A repository's name is one component of its keys, so that the key of no
 * object is the beginning of another one's path, which stores on a file system cannot have.
 */
import { type Digest, isDigest } from "../../domain/digest.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";

/** Keeps the ASCII order of names: `-`, `.` and `/` come in this order, before digits, and so do `(`, `)` and `*`. */
const encodedNames: Readonly<Record<string, string>> = { "-": "(", ".": ")", "/": "*" };
const decodedNames: Readonly<Record<string, string>> = { "(": "-", ")": ".", "*": "/" };

/**
 * Ends each encoded name. It comes before all characters of names, unlike the slash after it, which comes after `(`, `)` and
 * `*`: without it, `a-b` would be listed before `a`.
 */
const nameEnd = "!";

export function encodeName(name: string): string {
  return `${encodeNamePart(name)}${nameEnd}`;
}

/** Encodes the beginning of a name. */
export function encodeNamePart(part: string): string {
  return part.replace(/[-./]/g, (char) => encodedNames[char] ?? char);
}

/** Returns the repository of an encoded name, or `undefined` if it is none. */
export function decodeName(text: string): RepositoryName | undefined {
  if (!text.endsWith(nameEnd)) return undefined;
  const name = text.slice(0, -nameEnd.length).replace(/[()*]/g, (char) => decodedNames[char] ?? char);
  return isRepositoryName(name) && encodeName(name) === text ? name : undefined;
}

export const keys = {
  /** The bytes of a blob. */
  data: (id: string) => `data/${id}`,
  /**
   * The bytes of an upload that was stored before it was closed. Its name is no random UUID (version 4), so that no name of a
   * session leads to another's data, whose address clients may have seen.
   */
  early: (id: SessionId) => `data/${id.slice(0, 14)}8${id.slice(15)}`,
  allData: "data/",
  /** The data of a digest. */
  content: (digest: Digest) => `contents/${digest}`,
  contents: "contents/",
  /** Makes a blob one of the repository. */
  blob: (name: RepositoryName, digest: Digest) => `blobs/${encodeName(name)}/${digest}`,
  blobs: (name: RepositoryName) => `blobs/${encodeName(name)}/`,
  allBlobs: "blobs/",
  manifest: (name: RepositoryName, digest: Digest) => `manifests/${encodeName(name)}/${digest}`,
  manifests: (name: RepositoryName) => `manifests/${encodeName(name)}/`,
  allManifests: "manifests/",
  tag: (name: RepositoryName, tag: string) => `tags/${encodeName(name)}/${tag}`,
  tags: (name: RepositoryName) => `tags/${encodeName(name)}/`,
  allTags: "tags/",
  /** When a tag was last pulled. */
  pull: (name: RepositoryName, tag: string) => `pulls/${encodeName(name)}/${tag}`,
  pulls: (name: RepositoryName) => `pulls/${encodeName(name)}/`,
  allPulls: "pulls/",
  /** An entry of a tag's history; its name says everything. */
  historyEntry: (name: RepositoryName, tag: string, entry: string) =>
    `history/${encodeName(name)}/${tag}/${entry}`,
  historyOf: (name: RepositoryName, tag: string) => `history/${encodeName(name)}/${tag}/`,
  histories: (name: RepositoryName) => `history/${encodeName(name)}/`,
  allHistories: "history/",
  referrer: (name: RepositoryName, subject: Digest, referrer: Digest) =>
    `referrers/${encodeName(name)}/${subject}/${referrer}`,
  referrersOf: (name: RepositoryName, subject: Digest) => `referrers/${encodeName(name)}/${subject}/`,
  referrers: (name: RepositoryName) => `referrers/${encodeName(name)}/`,
  allReferrers: "referrers/",
  /** Repositories that had a manifest, which they have no longer. */
  catalogued: (name: RepositoryName) => `catalog/${encodeName(name)}`,
  catalog: "catalog/",
  upload: (id: SessionId) => `uploads/${id}`,
  uploads: "uploads/",
  /** Bytes of a blob that is arriving at another node. */
  slice: (fetch: string, position: number) => `slices/${fetch}/${position}`,
  slices: "slices/",
  note: (name: string) => `notes/${name}`,
  notes: "notes/",
  secret: (name: string) => `secrets/${name}`,
  secrets: "secrets/",
  robot: (name: string) => `robots/${name}`,
  robots: "robots/",
  probe: (id: string) => `probes/${id}`,
  probes: "probes/",
  /** A node that works without its engine. */
  node: (name: string) => `nodes/${name}`,
  nodes: "nodes/",
  /** Names the format, and identifies the store. */
  store: "store",
  /** Held by the node or nodes that use the store. */
  lock: "lock",
  /** Given up for small objects when the store is full. */
  reserve: "reserve",
  /** Tests whether there is room for more than the reserve. Exists for a moment. */
  reserveRoom: "reserve-room",
} as const;

/** Returns the last component of a key. */
export function lastOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** Returns the last component of a key as a digest, or `undefined` if it is none. */
export function digestOfKey(key: string): Digest | undefined {
  const text = lastOf(key);
  return isDigest(text) ? text : undefined;
}
