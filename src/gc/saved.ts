/** Leases across a restart: kept as a note when the registry stops, taken up when it starts. */
import { z } from "zod";
import type { NoteStore } from "../storage/storage.js";
import type { ObjectKey, Protection } from "./protection.js";

const note = "leases.json";

const saved = z.object({
  allUntil: z.number(),
  leases: z.array(z.tuple([z.string().transform((key) => key as ObjectKey), z.number()])),
});

/**
 * Restores what the process before has saved. Where there is nothing, or it cannot be read, that process
 * ended in a crash: then everything is protected until the last of its leases has ended.
 */
export async function restoreLeases(protection: Protection, notes: NoteStore, fresh: boolean): Promise<void> {
  const bytes = await notes.take(note);
  if (bytes === undefined) {
    if (!fresh) protection.protectAll();
    return;
  }
  const parsed = saved.safeParse(parseJson(bytes));
  if (parsed.success) protection.restore(parsed.data);
  else protection.protectAll();
}

/** To be called when no request is at work any more. */
export async function saveLeases(protection: Protection, notes: NoteStore): Promise<void> {
  await notes.put(note, Buffer.from(JSON.stringify(protection.save())));
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
