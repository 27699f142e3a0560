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
  const bytesOf = ({ bytes, synced }: FileNode, path: string): Buffer => {
    const zeros = Buffer.alloc(bytes.length);
    synced.copy(zeros);
    if (what === "synced") return synced;
    if (what === "mixed" && /\/journal\/[^/]+$/.test(path)) return sectorsOf(synced, bytes, random);
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
        writeFileSync(own, bytesOf(entry, own));
        written.set(entry, own);
      }
    }
  };
  leaveFolder(top, folder);
}

/** A disk writes sectors whole, in any order. */
const sectorBytes = 512;

/** The journal is written over and over, so each sector may be the earlier or the later one. */
function sectorsOf(synced: Buffer, bytes: Buffer, random: Random): Buffer {
  const sectors = Buffer.alloc(bytes.length);
  synced.copy(sectors);
  for (let at = 0; at < bytes.length; at += sectorBytes) {
    const later = bytes.subarray(at, at + sectorBytes);
    if (!later.equals(sectors.subarray(at, at + sectorBytes)) && random.chance(0.5)) later.copy(sectors, at);
  }
  return sectors;
}
