/**
 * Where an import comes from, in the domain's words: a folder of another registry, an OCI layout, a registry
 * that runs. A source is only read. What it cannot give it rejects with `SourceError`; what lies in it and
 * makes no sense it passes over and names.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { visibleLine } from "../lib/control-characters.js";
import type { OutsideFile } from "../storage/disk-operations.js";

/** Of what a source says, so much is kept in an error or a report. */
const charactersMax = 1000;

/** What a source says, for people: on one line, and without characters that a terminal obeys. */
export function quoted(text: string): string {
  const line = visibleLine(text.length > charactersMax ? text.slice(0, charactersMax) : text);
  return text.length > charactersMax ? `${line}…` : line;
}

/** The source cannot give what it was asked for. */
export class SourceError extends Error {
  override readonly name = "SourceError";

  constructor(message: string, options?: ErrorOptions) {
    super(quoted(message), options);
  }
}

/** Told of what lies in a source and is passed over. */
export type OnStray = (what: string, why: string) => void;

export interface SourceManifest {
  readonly bytes: Buffer;
  /** As the source says it, `""` where it does not. */
  readonly mediaType: string;
}

export interface SourceBlob {
  /** In bytes, where the source tells without being read. */
  readonly size: number | undefined;
  /** Where the bytes lie, for a storage that can take them from there. */
  readonly outside?: OutsideFile;
  /** Whether only a hash of the bytes can tell that they are what they were asked for as. */
  readonly unsure: boolean;
  /** The bytes, read as they are asked for. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface SourceTag {
  readonly tag: Tag;
  /** What it points to; `undefined` where the source cannot tell. */
  digest(): Promise<Digest | undefined>;
}

export interface SourceRepository {
  readonly name: RepositoryName;
  tags(): AsyncIterable<SourceTag>;
  /** Those that the source lists beside the ones that tags lead to; one may come more than once. */
  manifests(): AsyncIterable<Digest>;
  /** Those that the source lists beside the ones that manifests name. */
  blobs(): AsyncIterable<Digest>;
  /** Those that the source says refer to this manifest, where `manifests` does not have them all. */
  referrers(digest: Digest): AsyncIterable<Digest>;
  /** `undefined` where the repository has no such manifest. */
  manifest(digest: Digest): Promise<SourceManifest | undefined>;
  /** `undefined` where the repository has no such blob. */
  blob(digest: Digest): Promise<SourceBlob | undefined>;
}

export interface Source {
  /** Those to import, each with the number of its tags and listed manifests. */
  repositories(): AsyncIterable<{ readonly repository: SourceRepository; readonly roots: number }>;
  close(): Promise<void>;
}
