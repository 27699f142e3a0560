/** The result of an import, collected while it runs. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Adoption } from "../../storage/outside.js";
import { quoted } from "../../transfer/source.js";

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/**
 * How a blob was imported: as a link to the source's file, as a copy that shares its blocks, as a copy, as one that the
 * object store has made, as a stream of bytes, or from another repository of this registry; `there` if it existed.
 */
export type BlobWay = Adoption | "streamed" | "shared" | "there";

export interface ImportProblem {
  /** Absent if the problem concerns the whole source. */
  readonly repository?: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** Which object was not imported or is still damaged afterwards, and why. */
  readonly what: string;
}

/** A descriptor that does not match its content; its manifest was imported as the source served it. */
export interface ImportWarning {
  readonly repository: RepositoryName;
  /** The manifest's digest; in a dry run, the blob's. Tags that lead to it are not listed, because there may be many. */
  readonly digest: Digest;
  readonly what: string;
}

export interface ImportReport {
  readonly dryRun: boolean;
  readonly repositories: number;
  /** Manifests imported, and those that already existed. */
  readonly manifests: { readonly imported: number; readonly there: number };
  /**
   * `moved` tags pointed to other manifests before; `kept` tags still do, as requested. `referrers` were omitted, because
   * the referrers API lists their entries.
   */
  readonly tags: {
    readonly imported: number;
    readonly moved: number;
    readonly there: number;
    readonly kept: number;
    readonly referrers: number;
  };
  /** Robot accounts imported, and those that already existed with the same key. */
  readonly robots: { readonly imported: number; readonly there: number };
  /** In a dry run, `wanted` counts the blobs to be imported. */
  readonly blobs: Readonly<Record<BlobWay | "wanted", Amount>>;
  readonly problems: readonly ImportProblem[];
  /** Number of all warnings, including those beyond the maximum that a report lists. They are not failures. */
  readonly warned: number;
  readonly warnings: readonly ImportWarning[];
  /** Objects in the source that no client could pull, and that were skipped. */
  readonly odd: readonly { readonly what: string; readonly why: string }[];
  /** Problems, warnings and stray objects beyond the maximum that a report lists. */
  readonly omitted: number;
  /** Whether it ran to the end. */
  readonly complete: boolean;
}

/** Maximum entries of each kind: a longer report helps nobody, and must fit into memory. */
const listedMax = 10_000;

const noAmount: Amount = { count: 0, bytes: 0 };

export class Tally {
  readonly manifests = { imported: 0, there: 0 };
  readonly tags = { imported: 0, moved: 0, there: 0, kept: 0, referrers: 0 };
  readonly robots = { imported: 0, there: 0 };
  repositories = 0;
  readonly #blobs = {
    linked: noAmount,
    cloned: noAmount,
    copied: noAmount,
    copiedInStore: noAmount,
    streamed: noAmount,
    shared: noAmount,
    there: noAmount,
    wanted: noAmount,
  };
  readonly #problems: ImportProblem[] = [];
  readonly #warnings: ImportWarning[] = [];
  #warned = 0;
  readonly #odd: { what: string; why: string }[] = [];
  #omitted = 0;

  blob(way: keyof ImportReport["blobs"], bytes: number): void {
    const { count, bytes: before } = this.#blobs[way];
    this.#blobs[way] = { count: count + 1, bytes: before + bytes };
  }

  /** Bytes of imported blobs. */
  get bytes(): number {
    const { there, ...come } = this.#blobs;
    return Object.values(come).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  problem(problem: ImportProblem): void {
    this.#list(this.#problems, { ...problem, what: quoted(problem.what) });
  }

  warning(warning: ImportWarning): void {
    this.#warned++;
    this.#list(this.#warnings, { ...warning, what: quoted(warning.what) });
  }

  odd(what: string, why: string): void {
    this.#list(this.#odd, { what: quoted(what), why: quoted(why) });
  }

  #list<T>(list: T[], item: T): void {
    if (list.length < listedMax) list.push(item);
    else this.#omitted++;
  }

  report(dryRun: boolean, complete: boolean): ImportReport {
    return {
      dryRun,
      repositories: this.repositories,
      manifests: this.manifests,
      tags: this.tags,
      robots: this.robots,
      blobs: this.#blobs,
      problems: this.#problems,
      warned: this.#warned,
      warnings: this.#warnings,
      odd: this.#odd,
      omitted: this.#omitted,
      complete,
    };
  }
}
