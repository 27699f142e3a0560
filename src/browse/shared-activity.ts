/**
 * The activity of several nodes, in a note that they share. Each node adds its own figures every minute, and keeps those of the
 * others, so that nothing is lost when two nodes write at once: what one overwrites, the other adds again. A node that has
 * stopped stays in the note for a day, and a restarted one is another.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { NoteStore } from "../storage/storage.js";
import { type Activity, quarters } from "./activity.js";
import { activityNote, parsedJson } from "./activity-note.js";

const noteName = "activity-of-nodes";

/** About 10 KB each. Beyond it, the nodes that were seen least recently are forgotten. */
const nodesMax = 64;

const entry = activityNote.extend({ savedAt: z.number() });

type Entry = z.output<typeof entry>;

export class SharedActivity {
  readonly #own = randomUUID();
  /** The other nodes' figures as they were seen last, by node. */
  #others = new Map<string, Entry>();

  constructor(
    readonly activity: Activity,
    readonly notes: NoteStore,
  ) {}

  /** Shares this node's figures, and learns those of the others. */
  async exchange(now = Date.now()): Promise<void> {
    this.activity.sample(now);
    const own = this.activity.save();
    const read = await this.#read();
    for (const [node, found] of read) {
      const known = this.#others.get(node);
      if (node !== this.#own && (known === undefined || known.savedAt < found.savedAt))
        this.#others.set(node, found);
    }
    const young = [...this.#others].filter(([, { quarter }]) => quarter > own.quarter - quarters);
    const latest = young.toSorted(([, a], [, b]) => b.savedAt - a.savedAt).slice(0, nodesMax - 1);
    this.#others = new Map(latest);
    this.activity.others = [...this.#others.values()];
    const all = new Map<string, unknown>([...this.#others, [this.#own, { ...own, savedAt: now }]]);
    await this.notes.put(noteName, Buffer.from(JSON.stringify(Object.fromEntries(all))));
  }

  /** Entries that cannot be read are ignored: only figures are lost. */
  async #read(): Promise<Map<string, Entry>> {
    const bytes = await this.notes.read(noteName);
    const found = z.record(z.uuid(), z.unknown()).safeParse(bytes && parsedJson(bytes));
    const entries = new Map<string, Entry>();
    for (const [node, value] of Object.entries(found.data ?? {})) {
      const { data } = entry.safeParse(value);
      if (data !== undefined) entries.set(node, data);
    }
    return entries;
  }
}
