/**
 * Checks the upload sessions of the previous server on a restarted one, and continues some of them to the end from the
 * reported offset.
 */
import type { Answer } from "../support/client.js";
import type { StoredSession } from "./check-store.js";
import type { Random } from "./random.js";
import type { Requests } from "./requests.js";
import type { OpenSession } from "./sessions.js";

/**
 * `losesUnsynced`: acknowledged bytes may be lost; an upload is only guaranteed at its end. `leavesClosed`: a node that is killed
 * at once after it has stored a blob may leave the state of its upload, which no client uses any more. `bytesOf` returns the
 * stored bytes of a session, where a check can see them.
 */
export async function checkSessions(
  requests: Requests,
  stored: readonly StoredSession[],
  random: Random,
  losesUnsynced: boolean,
  { leavesClosed = false, bytesOf }: { leavesClosed?: boolean; bytesOf?: (id: string) => Buffer } = {},
): Promise<void> {
  const { sessions, violations } = requests;
  for (const { id, name } of stored) {
    const { status } = await requests.send("GET", `/v2/${name}/blobs/uploads/${id}`);
    if (status !== 204) violations.add(`the session ${id} in the store is unknown to the API: ${status}`);
  }
  for (const session of sessions.ended) {
    const answer = await requests.send("GET", session.location);
    const mayRemain = losesUnsynced || (leavesClosed && session.isClosed);
    if (!isUnknown(answer) && !mayRemain)
      violations.add(`an ended upload exists again: ${session.location} got ${answer.status}`);
    sessions.forget(session);
  }
  for (const session of [...sessions.open]) {
    const carryOn = random.chance(0.7);
    const how = random.pickWeighted({ ranged: 1, streamed: 1, closing: 1 });
    const offset = await offsetOf(requests, session, losesUnsynced);
    if (offset === undefined) sessions.forget(session);
    else if (carryOn) {
      const torn = losesUnsynced && bytesOf !== undefined && isTorn(requests, session, bytesOf, offset);
      await finish(requests, session, offset, how, torn);
    }
  }
}

/** Whether a server does not have an upload, although a node of its cluster that it cannot ask may have it. */
export function isUnknown({ status, body }: Answer): boolean {
  return status === 404 || (status === 503 && body.includes("may have this upload"));
}

/** The offset reported by the server, or `undefined` if the session is gone legitimately. */
async function offsetOf(
  requests: Requests,
  session: OpenSession,
  losesUnsynced: boolean,
): Promise<number | undefined> {
  const { acknowledged, sent, ending, location } = session;
  const answer = await requests.send("GET", location);
  const { status, headers } = answer;
  const mayBeLost = losesUnsynced || acknowledged === 0 || ending !== "no";
  if (isUnknown(answer) && mayBeLost) return undefined;
  const last = Number(/^0-(\d+)$/.exec(headers.range ?? "")?.[1]);
  // "0-0" means both none and one byte; no client of the mix sends only one.
  const offset = last === 0 ? 0 : last + 1;
  const least = losesUnsynced ? 0 : acknowledged;
  if (status === 204 && offset >= least && offset <= sent) return offset;
  requests.violations.add(
    `${location} (${ending}) got ${status}, ${String(headers.range)}; acknowledged ${acknowledged}, sent ${sent}`,
  );
  return undefined;
}

const blockBytes = 4096;

/**
 * Returns whether the upload has lost bytes with the power. Only this can be lost: an append to a block that is on the disk
 * changes the length of the file, which ext4 may store before the bytes, so that they are zeros up to the end of the block.
 */
function isTorn(
  { violations }: Requests,
  { location, blob }: OpenSession,
  bytesOf: (id: string) => Buffer,
  offset: number,
): boolean {
  const id = /([^/?]+)(\?.*)?$/.exec(location)?.[1] ?? "";
  const stored = bytesOf(id).subarray(0, offset);
  const sent = Buffer.from(blob.bytes.subarray(0, offset));
  const first = stored.findIndex((byte, index) => byte !== sent[index]);
  if (first === -1) return false;
  sent.fill(0, first, Math.min(offset, Math.ceil((first + 1) / blockBytes) * blockBytes));
  if (!stored.equals(sent)) violations.add(`${location} has other bytes than those that were sent to it`);
  return true;
}

/** Sends the missing bytes from the offset on: as a stream, with a range, or in the closing request. */
async function finish(
  requests: Requests,
  session: OpenSession,
  offset: number,
  how: "ranged" | "streamed" | "closing",
  torn: boolean,
): Promise<void> {
  const { length } = session.blob.bytes;
  session.acknowledged = offset;
  session.ending = "no";
  if (offset < length && how !== "closing") await requests.patch(session, length, how);
  await requests.close(session, torn);
}
