/** What an export has done and met. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";

export interface ExportProblem {
  readonly repository: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** What was not exported, and why. */
  readonly what: string;
}

export interface ExportReport {
  /** Tags and digests that the target names now. */
  readonly references: number;
  /** Manifests and blobs that were written, and those that the target had. */
  readonly written: { readonly count: number; readonly bytes: number };
  readonly there: { readonly count: number; readonly bytes: number };
  readonly problems: readonly ExportProblem[];
  /** Whether it came to its end. */
  readonly complete: boolean;
}
