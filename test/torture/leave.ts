/** Writes to a real folder what a power failure would have left of the files in a trace. */
import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import type { Random } from "./random.js";
import { DirectoryNode, type FileNode, type Node } from "./synced-files.js";

/**
 * `synced`: only what a sync has covered. `kept`: every change of a directory, and the lengths of files, with zeros for
 * unsynced bytes. `mixed`: the first few changes of each directory, and any of the three for each file.
 */
export const remains = ["synced", "kept", "mixed"] as const;
export type Remains = (typeof remains)[number];

export function leave(top: DirectoryNode, folder: string, what: Remains, random: Random): void {
  const written = new Map<Node, string>();
  const bytesOf = ({ bytes, synced }: FileNode): Buffer => {
    const zeros = Buffer.alloc(bytes.length);
    synced.copy(zeros);
    if (what === "synced") return synced;
    return what === "kept" ? zeros : random.pick([synced, zeros, bytes]);
  };
  const leaveFolder = (node: DirectoryNode, path: string): void => {
    mkdirSync(path, { recursive: true });
    const count =
      what === "synced" ? 0 : what === "kept" ? node.unsynced : random.between(0, node.unsynced + 1);
    for (const [name, entry] of node.withUnsynced(count)) {
      const own = `${path}/${name}`;
      const first = written.get(entry);
      if (entry instanceof DirectoryNode) leaveFolder(entry, own);
      else if (first !== undefined) linkSync(first, own);
      else {
        writeFileSync(own, bytesOf(entry));
        written.set(entry, own);
      }
    }
  };
  leaveFolder(top, folder);
}
