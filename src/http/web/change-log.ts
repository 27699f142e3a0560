/** The changes of the last moments, for a stream that opens after its page was rendered. */
import { RecentChanges, type ShownChange, type Update } from "./recent-changes.js";

/** More than change while a page is loaded, except on a very busy registry. */
const entriesMax = 64;

interface Entry {
  readonly at: number;
  readonly change: ShownChange;
}

/** Times are milliseconds since the epoch. */
export class ChangeLog {
  readonly #entries: Entry[] = [];
  #oldest = 0;
  /** Changes since this time are known. */
  #completeSince = Number.POSITIVE_INFINITY;

  /** Forgets the changes, which are known from `now` on. */
  begin(now: number): void {
    this.#completeSince = now;
    this.#entries.length = 0;
    this.#oldest = 0;
  }

  add(change: ShownChange, at: number): void {
    const oldest = this.#entries[this.#oldest];
    if (oldest === undefined || this.#entries.length < entriesMax) {
      this.#entries.push({ at, change });
      return;
    }
    this.#entries[this.#oldest] = { at, change };
    this.#oldest = (this.#oldest + 1) % entriesMax;
    // The next change may be of the same millisecond.
    this.#completeSince = oldest.at + 1;
  }

  /** Returns the changes at that time or later. */
  since(time: number): Update {
    const recent = new RecentChanges();
    if (time < this.#completeSince) recent.addUnknown();
    for (const { at, change } of this.#entries) if (at >= time) recent.add(change);
    return recent.take();
  }
}
