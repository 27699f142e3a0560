/**
 * The protocol between the main thread and the thread that reads the store's directories. One message covers many files.
 * Errors are sent as values, because cloning an Error loses its code.
 */
import type { RepositoryName } from "../../domain/repository-name.js";

export interface SurveySetup {
  /** The store's root directory. */
  readonly root: string;
}

/** Asks for repositories in ASCII order of their names. */
export interface CatalogTask {
  /** Repositories that have, or had, manifests; or those that have only blobs; or the empty ones of either kind. */
  readonly of: "manifests" | "blobs" | "empty manifests" | "empty blobs";
  /** Only names after this one. */
  readonly after: string;
  readonly namesMax: number;
  /**
   * Identifies a sequence of tasks, each of which continues where the previous one stopped, without reading directories
   * again.
   */
  readonly walk: number | undefined;
}

export interface CatalogPart {
  readonly names: readonly RepositoryName[];
  /** Whether the part ended because of `namesMax`. */
  readonly more: boolean;
  readonly failures: readonly FailedLook[];
}

/** An error that left unknown whether the object exists. */
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
 * For each file: its size, its links, and its modification time in milliseconds. Zero links if it does not exist; `NaN` for
 * an unknown size.
 */
export type Measures = Float64Array;

/** Asks for the targets and times of the tags in a directory. */
export interface TagsTask {
  readonly folder: string;
  readonly tags: readonly string[];
}

/** An existing tag. */
export interface TagLook {
  /** Content of the pointer file; empty if it cannot be read. */
  readonly pointer: string;
  /** In milliseconds since the epoch; absent if unknown. */
  readonly pushedAt?: number;
  readonly pulledAt?: number;
}

/** The names in the folders of tags that are entries of their histories, in the order of the tags. */
export interface EntriesPart {
  readonly names: readonly (readonly string[])[];
  readonly failures: readonly FailedLook[];
}

export interface TagsPart {
  /** In the order of the tags; `undefined` for a missing one. */
  readonly looks: readonly (TagLook | undefined)[];
  readonly failures: readonly FailedLook[];
}
