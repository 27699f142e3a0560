/**
 * Tells a folder with other content from a store and from a place for a new one, so that a wrong path in the settings changes
 * nothing there.
 */
import { readdir, stat } from "node:fs/promises";
import type { Layout } from "./layout.js";
import { ownPaths, tolerated } from "./stray-files.js";

/**
 * Every store has all four, unless its first start was interrupted, or a backup lacks some. One of these names may be that of
 * somebody else's folder.
 */
const ownFoldersMin = 2;

/** Rejects if the root has content and no store. Changes nothing. */
export async function refuseForeignFolder(layout: Layout): Promise<void> {
  const folders = [layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot];
  const own = ownPaths(layout);
  const names = await readdir(layout.root);
  const found = await Promise.all(folders.map(isFolder));
  if (found.filter(Boolean).length >= ownFoldersMin) return;
  for (const name of names.sort()) {
    // A power failure leaves some of a new store, a new user's home has files such as .profile, a volume has .snapshot.
    if (own.has(`${layout.root}/${name}`) || name.startsWith(".") || tolerated.has(name)) continue;
    // CNCF distribution's content can be imported by links from the same folder.
    if (name === "docker" && (await isFolder(`${layout.root}/docker/registry`))) continue;
    throw new Error(
      `it has other content, such as ${JSON.stringify(name)}, and no store; set storage.filesystem.rootdirectory to an empty folder`,
    );
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
