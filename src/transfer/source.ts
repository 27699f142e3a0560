/**
 * The source of an import, in the domain's words: another registry's directory, an OCI layout, or a running registry. A
 * source is never written. For an object that it cannot deliver, it rejects with `SourceError`. It skips and reports stray
 * objects.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Robot } from "../domain/robot.js";
import { visibleLine } from "../lib/control-characters.js";
import { cutText } from "../lib/cut-text.js";
import type { Outside } from "../storage/outside.js";
import type { TimedTag } from "../storage/storage.js";

/** Maximum characters of a source's text in an error or a report. */
const charactersMax = 1000;

/** Returns text from a source for people: on one line, with terminal control characters escaped. */
export function quoted(text: string): string {
  return visibleLine(cutText(text, charactersMax));
}

/** The source cannot deliver the requested object. */
export class SourceError extends Error {
  override readonly name = "SourceError";

  constructor(message: string, options?: ErrorOptions) {
    super(quoted(message), options);
  }
}

/**
 * Returns the bytes. Rejects as soon as there are more than `bytesMax`: a source that streams without end must not fill the
 * disk before its digest is compared.
 */
export async function* atMost(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
  why: string,
): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new SourceError(why);
    yield chunk;
  }
}

/** Called for each stray object in a source, which is skipped. */
export type OnStray = (what: string, why: string) => void;

/** Called for each object that the import cannot deliver before it begins, and that is part of what was asked for. */
export type OnUndelivered = (digest: Digest, why: string) => void;

export interface SourceManifest {
  readonly bytes: Buffer;
  /** As the source states it; `""` if it does not. */
  readonly mediaType: string;
}

export interface SourceBlob {
  /** In bytes, if the source knows it without reading the content. */
  readonly size: number | undefined;
  /** Location of the bytes, for a storage that can link or copy them. */
  readonly outside?: Outside;
  /** Whether only a hash of the bytes can show that they are the requested content. */
  readonly unsure: boolean;
  /**
   * Returns the bytes, read on demand. Rejects with `SourceError` when more come than the source announces or, if it
   * announces nothing, than `size`, the size in the blob's descriptor.
   */
  read(signal: AbortSignal, size: number | undefined): AsyncIterable<Uint8Array>;
}

export interface SourceTag {
  readonly tag: Tag;
  /** Returns its target, or `undefined` if the source does not know it. */
  digest(): Promise<Digest | undefined>;
  /** In milliseconds since the epoch, if the source keeps them. */
  readonly times?: NonNullable<TimedTag["times"]> | undefined;
}

export interface SourceRepository {
  readonly name: RepositoryName;
  tags(): AsyncIterable<SourceTag>;
  /** Manifests that the source lists in addition to those of tags. It may return duplicates. */
  manifests(): AsyncIterable<Digest>;
  /** Blobs that the source lists in addition to those in manifests. */
  blobs(): AsyncIterable<Digest>;
  /** Referrers of the manifest according to the source, if `manifests` does not list them all. */
  referrers(digest: Digest): AsyncIterable<Digest>;
  /** Returns `undefined` if the repository has no such manifest. */
  manifest(digest: Digest): Promise<SourceManifest | undefined>;
  /** Returns `undefined` if the repository has no such blob. */
  blob(digest: Digest): Promise<SourceBlob | undefined>;
}

export interface Source {
  /** Robot accounts, if the source has any. */
  robots?(): AsyncIterable<Robot>;
  /** The repositories to import, each with the number of its tags and listed manifests. */
  repositories(): AsyncIterable<{ readonly repository: SourceRepository; readonly roots: number }>;
  close(): Promise<void>;
}
