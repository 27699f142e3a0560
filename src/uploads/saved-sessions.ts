/**
 * Sessions without bytes across a restart: kept in one note when the registry stops, taken up when it starts. They are on
 * no disk before, so a crash ends them, and their clients begin them again.
 */
import { isObject } from "../domain/descriptor.js";
import { isSessionId } from "../domain/session-id.js";
import type { NoteStore } from "../storage/storage.js";
import { parseRecord, serializeRecord } from "../storage/upload-record.js";
import type { SessionTable } from "./session-table.js";

const note = "sessions";

/** The youngest are saved: some 5 MB. A client that is about to send has opened its session within seconds. */
const savedMax = 20_000;

/** To be called when no request is at work any more. */
export async function saveSessions(sessions: SessionTable, notes: NoteStore): Promise<void> {
  const saved = sessions
    .unused()
    .slice(-savedMax)
    .map((session) => ({ id: session.id, touchedAt: session.lastUsedAt, record: serializeRecord(session) }));
  if (saved.length > 0) await notes.put(note, Buffer.from(JSON.stringify(saved)));
}

/** Passes over what it cannot read: its clients begin again. */
export async function restoreSessions(sessions: SessionTable, notes: NoteStore): Promise<void> {
  const bytes = await notes.take(note);
  for (const entry of bytes === undefined ? [] : entriesOf(bytes)) {
    if (!isObject(entry)) continue;
    const { id, touchedAt, record } = entry;
    if (typeof id !== "string" || typeof touchedAt !== "number" || typeof record !== "string") continue;
    const parsed = parseRecord(record);
    if (isSessionId(id) && parsed !== undefined) sessions.restore(id, parsed, touchedAt);
  }
}

function entriesOf(bytes: Buffer): unknown[] {
  try {
    const json: unknown = JSON.parse(bytes.toString("utf8"));
    return Array.isArray(json) ? json : [];
  } catch {
    return [];
  }
}
