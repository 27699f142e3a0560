/** Keeps leases across a restart: saved as a note when the registry stops, restored when it starts. */
import type { NoteStore } from "../../storage/storage.js";
import type { MemoryLeases, SavedLeases } from "./leases.js";

const note = "leases";

/** Start of the note: type and version. */
const heading = Buffer.from("gantry leases 1\n");

/** A hash and an end. */
const leaseBytes = 12;

/**
 * Restores the leases that the previous process saved. If there are none, or they cannot be read, that process crashed: then
 * everything is protected until the last of its leases has ended.
 */
export async function restoreLeases(leases: MemoryLeases, notes: NoteStore, fresh: boolean): Promise<void> {
  const bytes = await notes.take(note);
  if (bytes === undefined) {
    if (!fresh) leases.pause();
    return;
  }
  const saved = decodeLeases(bytes);
  if (saved === undefined) leases.pause();
  else leases.restore(saved);
}

/** Call it when no request is running. */
export async function saveLeases(leases: MemoryLeases, notes: NoteStore): Promise<void> {
  await notes.put(note, encodeLeases(leases.save()));
}

export function encodeLeases({ allUntil, leases }: SavedLeases): Buffer {
  const start = heading.length + 8;
  const bytes = Buffer.alloc(start + leases.length * leaseBytes);
  heading.copy(bytes);
  bytes.writeDoubleLE(allUntil, heading.length);
  for (const [index, [hash, end]] of leases.entries()) {
    bytes.writeDoubleLE(hash, start + index * leaseBytes);
    bytes.writeUInt32LE(end, start + index * leaseBytes + 8);
  }
  return bytes;
}

/** Returns `undefined` for bytes that were cut short by a crash or have another format. */
export function decodeLeases(bytes: Buffer): SavedLeases | undefined {
  const start = heading.length + 8;
  if (bytes.length < start || !bytes.subarray(0, heading.length).equals(heading)) return undefined;
  if ((bytes.length - start) % leaseBytes !== 0) return undefined;
  const leases: [hash: number, end: number][] = [];
  for (let at = start; at < bytes.length; at += leaseBytes) {
    const hash = bytes.readDoubleLE(at);
    if (!Number.isSafeInteger(hash) || hash <= 0 || hash >= 2 ** 52) return undefined;
    leases.push([hash, bytes.readUInt32LE(at + 8)]);
  }
  const allUntil = bytes.readDoubleLE(heading.length);
  return Number.isFinite(allUntil) ? { allUntil, leases } : undefined;
}
