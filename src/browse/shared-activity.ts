/**
 * Keeps the activity of the last day in the storage, across restarts and for all nodes: in one note, in which each node replaces
 * its own entry. A node that stops adds its figures to the entry of those that have ended, so that restarts do not make the note
 * longer. Nodes take turns, because each writes the whole note. Without the engine, or after some seconds, a node writes without
 * its turn: then the figures of one that stops in the same moment may be lost.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Cluster } from "../cluster/cluster.js";
import { Deadline } from "../lib/deadline.js";
import type { NoteStore } from "../storage/storage.js";
import { Activity, type Note, quarterMilliseconds, quarters } from "./activity.js";

const noteName = "activity-of-nodes";
/** Has the figures of a single node, from before such nodes had an entry like others. */
const earlierNoteName = "activity";

/** The entry of the nodes that have ended. */
const endedNodes = "00000000-0000-0000-0000-000000000000";

/** About 10 KB each. Beyond it, those that were seen least recently lose their entries. */
const nodesMax = 64;

/** A node that has not written for so long has ended, probably by a crash. */
const silentMillisecondsMax = 60 * 60_000;

/** A stop waits for its turn, and another node may hang. */
const turnMillisecondsMax = 5_000;

const activityNote = z.object({
  quarter: z.int().nonnegative(),
  series: z.record(z.string().max(100), z.array(z.number().nonnegative()).max(quarters)),
}) satisfies z.ZodType<Note>;

const entry = activityNote.extend({ savedAt: z.number() });

interface Entry extends Note {
  readonly savedAt: number;
}

export class SharedActivity {
  readonly #own = randomUUID();

  constructor(
    readonly activity: Activity,
    readonly notes: NoteStore,
    readonly cluster: Pick<Cluster, "once">,
  ) {}

  /** Learns the figures of the other nodes, and of those that have ended. Call it once, before the first exchange. */
  async refresh(now = Date.now()): Promise<void> {
    this.activity.sample(now);
    const earlier = activityNote.safeParse(parsedJson(await this.notes.take(earlierNoteName)));
    if (earlier.success) this.activity.restore(earlier.data);
    await this.#readOthers();
  }

  /** Shares this node's figures, and learns those of the others. */
  exchange(now = Date.now()): Promise<void> {
    return this.#inTurn(() => this.#write(now, false));
  }

  /** Shares this node's last figures. Call it once, after the last exchange. */
  leave(now = Date.now()): Promise<void> {
    return this.#inTurn(() => this.#write(now, true));
  }

  /** Runs `work` while no other node runs its own. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    let running: Promise<void> | undefined;
    const run = () => {
      running ??= work();
      return running;
    };
    const turn = async () => {
      // Runs nothing if it has waited for another node. An error is that of this node alone, and thrown below.
      while (running === undefined) await this.cluster.once("exchange activity", () => run().catch(() => {}));
    };
    await new Deadline(turnMillisecondsMax).within(turn()).catch(() => {});
    await run();
  }

  async #write(now: number, isLast: boolean): Promise<void> {
    this.activity.sample(now);
    const own: Entry = { ...this.activity.save(), savedAt: now };
    const { [endedNodes]: known, ...others } = Object.fromEntries(await this.#readOthers());
    const latest = Object.entries(others).toSorted(([, a], [, b]) => b.savedAt - a.savedAt);
    const entries = new Map(latest.slice(0, nodesMax - 1));
    const crashed = latest
      .slice(nodesMax - 1)
      .map(([, other]) => other)
      .filter(({ savedAt }) => savedAt < now - silentMillisecondsMax);
    const ended = [...(known ? [known] : []), ...crashed, ...(isLast ? [own] : [])];
    if (ended.length > 0) entries.set(endedNodes, { ...addedUp(ended), savedAt: now });
    if (!isLast) entries.set(this.#own, own);
    await this.notes.put(noteName, Buffer.from(JSON.stringify(Object.fromEntries(entries))));
  }

  /** Resolves with the entries of the last day. Those that cannot be read are ignored: only figures are lost. */
  async #readOthers(): Promise<Map<string, Entry>> {
    const found = z.record(z.uuid(), z.unknown()).safeParse(parsedJson(await this.notes.read(noteName)));
    const { quarter } = this.activity.save();
    const others = new Map<string, Entry>();
    for (const [node, value] of Object.entries(found.data ?? {})) {
      const { data } = entry.safeParse(value);
      if (node !== this.#own && data !== undefined && Math.abs(data.quarter - quarter) < quarters)
        others.set(node, data);
    }
    this.activity.others = [...others.values()];
    return others;
  }
}

/** Returns the sum of at least one note. */
function addedUp(notes: readonly Note[]): Note {
  const last = Math.max(...notes.map(({ quarter }) => quarter));
  const sum = new Activity(() => ({}), last * quarterMilliseconds);
  for (const note of notes) sum.restore(note);
  return sum.save();
}

/** Returns `undefined` for what is not JSON. */
function parsedJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes && JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
