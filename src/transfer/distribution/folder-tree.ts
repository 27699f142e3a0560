/** A directory on a disk as a tree. */
import { entriesOf, fileSize, isFolder, readFileBytes, readSmall } from "../files.js";
import type { SourceTree } from "../tree.js";

export function folderTree(path: string): SourceTree {
  return {
    base: path,
    place: path,
    entries: async (folder) =>
      (await entriesOf(folder)).map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() })),
    isFolder,
    fileSize,
    readSmall,
    read: readFileBytes,
    outside: (file) => ({ file }),
    close: async () => {},
  };
}
