/** The result of an export. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";

export interface ExportProblem {
  readonly repository: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** Which object was not exported, and why. */
  readonly what: string;
}

export interface ExportReport {
  /** Tags and digests that the target now names. */
  readonly references: number;
  /** Manifests and blobs written, and those that the target already had. */
  readonly written: { readonly count: number; readonly bytes: number };
  readonly there: { readonly count: number; readonly bytes: number };
  readonly problems: readonly ExportProblem[];
  /** Whether it ran to the end. */
  readonly complete: boolean;
}
