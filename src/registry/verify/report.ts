/** The result of a verification, collected while it runs. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { StrayFile } from "../../storage/disk-operations.js";

/** The action taken for a problem. */
export type Remedy = "quarantined" | "mended" | "none";

export interface Problem {
  /** Absent if it concerns content that repositories share. */
  readonly repository?: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
  readonly what: string;
  readonly remedy: Remedy;
}

/** A tag whose image cannot be pulled completely. */
export interface HurtTag {
  readonly repository: RepositoryName;
  readonly tag: Tag;
  readonly digest?: Digest;
  /** The damaged or missing objects that the tag leads to. */
  readonly because: readonly string[];
}

export interface VerifyReport {
  readonly dryRun: boolean;
  readonly repositories: number;
  readonly contents: number;
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
  readonly bytesRead: number;
  readonly problems: readonly Problem[];
  readonly hurtTags: readonly HurtTag[];
  readonly odd: readonly StrayFile[];
  /** Findings beyond the maximum that a report lists. */
  readonly omitted: number;
  /** Whether it ran to the end. */
  readonly complete: boolean;
}

/** Maximum entries of each kind: a longer report helps nobody, and must fit into memory. */
const listedMax = 10_000;

export class Findings {
  readonly #problems: Problem[] = [];
  readonly #hurtTags: HurtTag[] = [];
  readonly #odd: StrayFile[] = [];
  #omitted = 0;
  readonly counts = { repositories: 0, contents: 0, blobs: 0, manifests: 0, tags: 0, bytesRead: 0 };

  problem(problem: Problem): void {
    this.#list(this.#problems, problem);
  }

  hurtTag(tag: HurtTag): void {
    this.#list(this.#hurtTags, tag);
  }

  odd(file: StrayFile): void {
    this.#list(this.#odd, file);
  }

  #list<T>(list: T[], item: T): void {
    if (list.length < listedMax) list.push(item);
    else this.#omitted++;
  }

  report(dryRun: boolean, complete: boolean): VerifyReport {
    return {
      dryRun,
      ...this.counts,
      problems: this.#problems,
      hurtTags: this.#hurtTags,
      odd: this.#odd,
      omitted: this.#omitted,
      complete,
    };
  }
}
