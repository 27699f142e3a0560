/** What pages read of content, and the protocol of the thread that reads large or complicated content. */
import type { ChartFacts, ChartFiles } from "../../domain/chart.js";
import { algorithmOf, type Digest } from "../../domain/digest.js";
import { digestBytes } from "../../domain/hash.js";
import type { ImageConfig } from "../../domain/image-config.js";
import type { ManifestDetails } from "../../domain/manifest-details.js";
import type { SbomFacts } from "../../domain/sbom.js";
import type { Statement } from "../../domain/statement.js";
import type { PrettyText } from "../../lib/pretty-json.js";

/** What is read of the bytes, by the name of the reader. */
export interface Readings {
  readonly manifest: ManifestDetails;
  readonly config: ImageConfig;
  /** The beginning of a text, indented if it is JSON. */
  readonly text: PrettyText;
  readonly chart: ChartFacts;
  readonly chartArchive: ChartFiles;
  /** A README as HTML without anything harmful, in parts. */
  readonly readme: readonly string[];
  readonly statement: Statement;
  readonly sbom: SbomFacts;
}

export type Reading = keyof Readings;

/** Why there is nothing to show. `failed` may pass. */
export type Problem = "missing" | "damaged" | "too-large" | "not-understood" | "too-slow" | "failed";

export type Answer<T> = { readonly value: T } | { readonly problem: Problem };

export interface ReadTask {
  readonly reading: Reading;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

export type Readers<R extends Reading> = {
  readonly [K in R]: (bytes: Uint8Array) => Readings[K] | undefined | Promise<Readings[K] | undefined>;
};

/** Reads bytes that have the digest. */
export async function readChecked<T>(
  { bytes, digest }: Pick<ReadTask, "bytes" | "digest">,
  read: (bytes: Uint8Array) => T | undefined | Promise<T | undefined>,
): Promise<Answer<T>> {
  if ((await digestBytes(algorithmOf(digest), bytes)) !== digest) return { problem: "damaged" };
  const value = await read(bytes);
  return value === undefined ? { problem: "not-understood" } : { value };
}
