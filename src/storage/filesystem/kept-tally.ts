/**
 * Keeps the content count across restarts: saved as a note every minute and when the registry stops, restored when it
 * starts. After a crash it lacks the changes of the last minute, until a collection counts again.
 */
import type { ContentTotal, NoteStore } from "../storage.js";
import type { ContentTally } from "./content-tally.js";

const note = "contents";

export class KeptTally {
  #kept: ContentTotal | undefined;

  private constructor(
    readonly tally: ContentTally,
    readonly notes: NoteStore,
  ) {}

  /** A note cannot be removed from a read-only storage. */
  static async restore(tally: ContentTally, notes: NoteStore, readOnly: boolean): Promise<KeptTally> {
    const bytes = readOnly ? undefined : await notes.take(note);
    const total = bytes && parseTotal(bytes.toString("utf8"));
    if (total !== undefined) tally.total = total;
    return new KeptTally(tally, notes);
  }

  /** Writes the note if the total has changed. */
  async save(): Promise<void> {
    const { total } = this.tally;
    if (total === undefined || total === this.#kept) return;
    await this.notes.put(note, Buffer.from(`${total.contents} ${total.bytes}\n`));
    this.#kept = total;
  }
}

/** Returns `undefined` for a note that a crash has cut short. */
function parseTotal(text: string): ContentTotal | undefined {
  const [, contents, bytes] = /^(\d{1,15}) (\d{1,15})\n$/.exec(text) ?? [];
  return bytes === undefined ? undefined : { contents: Number(contents), bytes: Number(bytes) };
}
