/** Tells whether a store that is only read lacks acknowledged changes, because they are in its journal and nowhere else. */

import { errorCode } from "../files.js";
import type { Layout } from "../layout.js";
import { isAnswered, isLocked } from "../lock.js";
import { MarkFile } from "./mark.js";
import { readSince } from "./read-since.js";
import { demandFiles, type StoredJournal, segmentFiles } from "./segments.js";
import { markName } from "./shared.js";

/**
 * Rejects if a crash has left changes in the journal that a start would repeat. The journal of a running server has changes,
 * too, but their files are in place. Its segments change while they are read, so they are not looked at.
 */
export async function refuseUnfinished(layout: Layout): Promise<void> {
  const { root, journalRoot } = layout;
  const found = await readStopped(layout).catch((cause: unknown) => {
    // Segments have bytes of blobs, so only the server's user may read them.
    if (errorCode(cause) !== "EACCES") throw cause;
    throw new Error(
      `this user cannot read whether a crash has left changes in ${journalRoot}: run the import as the user of that store's server`,
      { cause },
    );
  });
  if (found === undefined || (found.records === 0 && found.damaged.length === 0)) return;
  throw new Error(
    `a crash has left changes in ${journalRoot} (${found.records}), which the files in ${root} may lack: start Gantry once on that store, which completes them, and import again`,
  );
}

/** Resolves with `undefined` if there is no journal, or if a server uses it. */
async function readStopped(layout: Layout): Promise<StoredJournal | undefined> {
  const { journalRoot } = layout;
  await demandFiles(journalRoot);
  if ((await segmentFiles(journalRoot)).length === 0) return undefined;
  const mark = await MarkFile.open(`${journalRoot}/${markName}`, false);
  try {
    if (mark?.mark?.isClosed !== true && (await isServed(layout))) return undefined;
    // Damage of the mark is reported by the start that completes the changes.
    return await readSince(journalRoot, mark, () => {});
  } finally {
    await mark?.close();
  }
}

/** The lock is tried only if need be: a server that starts in that moment would find it taken. */
async function isServed({ controlSocket, lock }: Layout): Promise<boolean> {
  return (await isAnswered(controlSocket)) || (await isLocked(lock));
}
