/**
 * Keeps upload sessions without bytes across a restart, in one note. Until the registry stops they are in memory only: a crash
 * ends them, and their clients start again.
 */
import { isObject } from "../domain/descriptor.js";
import { isSessionId } from "../domain/session-id.js";
import type { NoteStore } from "../storage/storage.js";
import { parseRecord, serializeRecord } from "../storage/upload-record.js";
import type { SessionTable } from "./session-table.js";

const note = "sessions";

/** Saves the youngest, about 5 MB. A client that is about to send has opened its session seconds ago. */
const savedMax = 20_000;

/** Call this when no request is running any more. */
export async function saveSessions(sessions: SessionTable, notes: NoteStore): Promise<void> {
  const saved = savedSessions(sessions);
  if (saved.length > 0) await notes.put(note, Buffer.from(JSON.stringify(saved)));
}

/** Returns the sessions without bytes, as JSON. */
export function savedSessions(sessions: SessionTable): object[] {
  return sessions
    .unused()
    .slice(-savedMax)
    .map((session) => ({ id: session.id, touchedAt: session.lastUsedAt, record: serializeRecord(session) }));
}

export async function restoreSessions(sessions: SessionTable, notes: NoteStore): Promise<void> {
  const bytes = await notes.take(note);
  if (bytes !== undefined) adoptSessions(sessions, entriesOf(bytes));
}

/** Adds saved sessions. Skips entries that it cannot read; their clients start again. */
export function adoptSessions(sessions: SessionTable, saved: readonly unknown[]): void {
  for (const entry of saved) {
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
