/** The activity of the last day across restarts. */
import { z } from "zod";
import type { NoteStore } from "../storage/storage.js";
import type { Activity, Note } from "./activity.js";

const noteName = "activity";

export const activityNote = z.object({
  quarter: z.int().nonnegative(),
  series: z.record(z.string().max(100), z.array(z.number().nonnegative()).max(96)),
}) satisfies z.ZodType<Note>;

/** A note that cannot be read is ignored: only figures are lost. */
export async function restoreActivity(activity: Activity, notes: NoteStore): Promise<void> {
  const bytes = await notes.read(noteName);
  if (bytes === undefined) return;
  const found = activityNote.safeParse(parsedJson(bytes), { jitless: true });
  if (found.success) activity.restore(found.data);
}

export async function saveActivity(activity: Activity, notes: NoteStore): Promise<void> {
  activity.sample();
  await notes.put(noteName, Buffer.from(JSON.stringify(activity.save())));
}

/** Returns `undefined` for what is not JSON. */
export function parsedJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
