/**
 * How much is stored, across restarts: kept as a note every minute and when the registry stops, taken up when it
 * starts. After a crash it lacks what the last minute has changed, until a collection counts anew.
 */
import type { ContentTotal } from "../storage/content-tally.js";
import type { Storage } from "../storage/storage.js";

const note = "contents";

export class KeptTally {
  #kept: ContentTotal | undefined;

  private constructor(readonly storage: Storage) {}

  static async restore(storage: Storage): Promise<KeptTally> {
    const tally = new KeptTally(storage);
    // On one that is read-only it cannot be taken.
    const bytes = storage.readOnly ? undefined : await storage.notes.take(note);
    const total = bytes && parseTotal(bytes.toString("utf8"));
    if (total !== undefined) storage.measures.contents.total = total;
    return tally;
  }

  /** Keeps what is new. */
  async save(): Promise<void> {
    const { total } = this.storage.measures.contents;
    if (total === undefined || total === this.#kept) return;
    await this.storage.notes.put(note, Buffer.from(`${total.contents} ${total.bytes}\n`));
    this.#kept = total;
  }
}

/** `undefined` for what a crash has cut short. */
function parseTotal(text: string): ContentTotal | undefined {
  const [, contents, bytes] = /^(\d{1,15}) (\d{1,15})\n$/.exec(text) ?? [];
  return bytes === undefined ? undefined : { contents: Number(contents), bytes: Number(bytes) };
}
