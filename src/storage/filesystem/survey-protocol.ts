/**
 * What the main thread and the one that looks through the store's folders say to each other: a message for many looks.
 * Errors come back as values, since cloning an Error loses its code.
 */
import type { RepositoryName } from "../../domain/repository-name.js";

export interface SurveySetup {
  /** Of the store. */
  readonly root: string;
}

/** Asks for repositories in ASCII order of their names. */
export interface CatalogTask {
  /**
   * Those that have manifests, or had some; or those others that have blobs only. Of these and of those, the ones that
   * are empty but for their folders.
   */
  readonly of: "manifests" | "blobs" | "empty manifests" | "empty blobs";
  /** Names behind it. */
  readonly after: string;
  readonly namesMax: number;
  /** A number for those tasks that each go on where the one before stopped: no folder is read anew for them. */
  readonly walk: number | undefined;
}

export interface CatalogPart {
  readonly names: readonly RepositoryName[];
  /** Whether it ends here because of `namesMax`. */
  readonly more: boolean;
  readonly failures: readonly FailedLook[];
}

/** A look that told neither what is there nor that there is nothing. */
export interface FailedLook {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** Asks for the sizes and link counts of files in a folder. */
export interface MeasureTask {
  readonly folder: string;
  readonly files: readonly string[];
}

/**
 * For each of the files its size, its links and the time in milliseconds at which it was written: no links where there
 * is none, `NaN` for a size that cannot be told.
 */
export type Measures = Float64Array;

/** Asks what the tags in a folder point to, and when they were used. */
export interface TagsTask {
  readonly folder: string;
  readonly tags: readonly string[];
}

/** A tag that is there. */
export interface TagLook {
  /** What the pointer's file holds; empty where it cannot be read. */
  readonly pointer: string;
  /** In milliseconds since the epoch; absent where the tag's times cannot be told. */
  readonly pushedAt?: number;
  readonly pulledAt?: number;
}

export interface TagsPart {
  /** In the order of the tags; `undefined` for one that is not there. */
  readonly looks: readonly (TagLook | undefined)[];
  readonly failures: readonly FailedLook[];
}
