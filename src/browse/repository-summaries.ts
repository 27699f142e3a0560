/**
 * Tags, size and last push of repositories. Read in the background when a page needs them, then cached. A push makes them
 * stale: the next page that needs them reads the time of the last push again, but the size at most once every few seconds,
 * because that lists all blobs.
 */
import type { CatalogPermit } from "../auth/gate.js";
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import { FairTurns } from "../lib/fair-turns.js";
import type { Services } from "../registry/services.js";
import { type RepositorySummary, Summary } from "./summary.js";

export interface FoundSummaries {
  readonly summaries: ReadonlyMap<RepositoryName, RepositorySummary>;
  /** Whether nothing is missing or outdated. Otherwise, ask again in a moment. */
  readonly complete: boolean;
}

export interface SummariesOptions {
  readonly onError: (error: unknown) => void;
  /** Pause between two readings of the size of one repository. */
  readonly sizeMilliseconds?: number;
}

/** Kept summaries, some 300 bytes each. */
const summariesMax = 10_000;

/** Repositories that are read at the same time, and those that wait for it: the entries of a few pages, two of one client. */
const readsAtOnce = 4;
const readsWaitingMax = 400;
const readsWaitingPerClientMax = readsWaitingMax / 2;

const defaultSizeMilliseconds = 10_000;

export class RepositorySummaries {
  /** The one that was used last comes last. */
  readonly #kept = new Map<RepositoryName, Summary>();
  readonly #reads = new Set<Promise<void>>();
  readonly #turns = new FairTurns(readsAtOnce, readsWaitingMax, readsWaitingPerClientMax);
  readonly #unsubscribe: () => void;
  #isClosed = false;

  constructor(
    readonly services: Pick<Services, "storage" | "caches">,
    readonly changes: Pick<Changes, "subscribe">,
    readonly options: SummariesOptions,
  ) {
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  /** Returns what is known of these repositories by the deadline. Those that the caller may not see are left out. */
  async get(
    { shown }: CatalogPermit,
    names: readonly RepositoryName[],
    deadline: Deadline,
    client = "",
  ): Promise<FoundSummaries> {
    const asked = names.filter((name) => shown.has(name));
    const wanted = asked.map((name) => [name, this.#summaryOf(name)] as const);
    const reads = wanted.flatMap(([, summary]) => this.#begin(summary, client) ?? []);
    if (reads.length > 0) await deadline.within(Promise.all(reads));
    const summaries = new Map<RepositoryName, RepositorySummary>();
    for (const [name, { found }] of wanted) if (found !== undefined) summaries.set(name, found);
    const complete = wanted.every(([, summary]) => summary.found !== undefined && !summary.isOutdated);
    return { summaries, complete };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await Promise.all(this.#reads);
  }

  #summaryOf(name: RepositoryName): Summary {
    const { services, options } = this;
    const summary =
      this.#kept.get(name) ??
      new Summary(services, name, options.sizeMilliseconds ?? defaultSizeMilliseconds);
    this.#kept.delete(name);
    this.#kept.set(name, summary);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= summariesMax) break;
      this.#kept.delete(oldest);
    }
    return summary;
  }

  /** Begins to read what is missing, and returns when that has ended. Never rejects. */
  #begin(summary: Summary, client: string): Promise<void> | undefined {
    if (summary.reading !== undefined || !summary.isDue || this.#isClosed) return summary.reading;
    const reading = this.#read(summary, client).finally(() => {
      summary.reading = undefined;
      this.#reads.delete(reading);
    });
    summary.reading = reading;
    this.#reads.add(reading);
    return reading;
  }

  async #read(summary: Summary, client: string): Promise<void> {
    if (!(await this.#turns.begin(client))) return;
    try {
      if (!this.#isClosed) await summary.read();
    } catch (error) {
      this.options.onError(error);
    } finally {
      this.#turns.end();
    }
  }

  #follow(change: Change | ChangesLost): void {
    switch (change.kind) {
      case "tag-pointed":
      case "tag-removed":
      case "tag-unsure":
        this.#kept.get(change.name)?.noteTag(change.tag);
        return;
      case "pushed-untagged":
        this.#kept.get(change.name)?.notePush();
        return;
      case "manifest-deleted":
      case "blob-deleted":
        this.#kept.get(change.name)?.noteRemoval();
        return;
      case "repository-emptied":
        this.#kept.delete(change.name);
        return;
      case "lost":
        for (const summary of this.#kept.values()) summary.noteLoss();
    }
  }
}
