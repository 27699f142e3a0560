/** What an import has done and met, put together as it goes on. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { quoted } from "../../transfer/source.js";

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/**
 * How a blob came: as a link to the source's own file, as a copy that shares its blocks, as a copy, as a stream
 * of bytes, from another repository of this registry; or it was there.
 */
export type BlobWay = "linked" | "cloned" | "copied" | "streamed" | "shared" | "there";

export interface ImportProblem {
  /** Absent where it is about the source as a whole. */
  readonly repository?: RepositoryName;
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** What was not imported, or is not right after it, and why. */
  readonly what: string;
}

/** A descriptor that does not fit its content; what it stands in was imported as the source served it. */
export interface ImportWarning {
  readonly repository: RepositoryName;
  /** Of the manifest; in a dry run, of the blob. Tags that lead to it are not told: there may be many. */
  readonly digest: Digest;
  readonly what: string;
}

export interface ImportReport {
  readonly dryRun: boolean;
  readonly repositories: number;
  /** Those that the registry has got, and those that it had. */
  readonly manifests: { readonly imported: number; readonly there: number };
  /**
   * `moved` pointed to something else before; `kept` do still, as it was asked for. `referrers` were left out, since
   * the referrers API lists what they name.
   */
  readonly tags: {
    readonly imported: number;
    readonly moved: number;
    readonly there: number;
    readonly kept: number;
    readonly referrers: number;
  };
  /** In a dry run, `wanted` are those that would come. */
  readonly blobs: Readonly<Record<BlobWay | "wanted", Amount>>;
  readonly problems: readonly ImportProblem[];
  /** All of them, those beyond the most that a report lists too. They are no failure. */
  readonly warned: number;
  readonly warnings: readonly ImportWarning[];
  /** What lies in the source, can be pulled from nowhere, and was passed over. */
  readonly odd: readonly { readonly what: string; readonly why: string }[];
  /** Problems, warnings and oddities beyond the most that a report lists. */
  readonly omitted: number;
  /** Whether it came to its end. */
  readonly complete: boolean;
}

/** Of each kind: a report of more helps nobody, and has to fit into memory. */
const listedMax = 10_000;

const noAmount: Amount = { count: 0, bytes: 0 };

export class Tally {
  readonly manifests = { imported: 0, there: 0 };
  readonly tags = { imported: 0, moved: 0, there: 0, kept: 0, referrers: 0 };
  repositories = 0;
  readonly #blobs = {
    linked: noAmount,
    cloned: noAmount,
    copied: noAmount,
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

  /** Bytes of the blobs that have come. */
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
