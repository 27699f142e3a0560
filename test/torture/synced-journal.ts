/** The records of the journal that are on stable storage: what the next server would write again. */

import { markIn, markSlots } from "../../src/storage/filesystem/journal/mark.js";
import { contentOf, type JournalOperation } from "../../src/storage/filesystem/journal/record.js";
import { scanSegment } from "../../src/storage/filesystem/journal/scan.js";
import { markName, slotOf } from "../../src/storage/filesystem/journal/shared.js";
import { DirectoryNode, FileNode, type SyncedFiles } from "./synced-files.js";

interface DurableRecord {
  readonly sequence: number;
  readonly generation: number;
  readonly operations: readonly JournalOperation[];
  readonly bytes: Buffer;
}

/** Bytes that a record gives a path; `gone` if the next server removes it. */
export type Recorded = Buffer | "gone";

export class SyncedJournal {
  /** The model never changes synced bytes in place. */
  readonly #scanned = new WeakMap<Buffer, readonly DurableRecord[]>();
  #paths: ReadonlyMap<string, Recorded> = new Map();
  #of: readonly Buffer[] = [];

  constructor(
    readonly files: SyncedFiles,
    readonly folder: string,
  ) {}

  /** Returns what the journal has for a path relative to the store, or `undefined` if the files decide. */
  find(path: string): Recorded | undefined {
    return this.#read().get(path);
  }

  #read(): ReadonlyMap<string, Recorded> {
    const folder = this.files.findSynced(this.folder);
    if (!(folder instanceof DirectoryNode)) return new Map();
    const nodes = [...folder.synced].filter(
      (entry): entry is [string, FileNode] => entry[1] instanceof FileNode,
    );
    const bytes = nodes.map(([, node]) => node.synced);
    if (bytes.length === this.#of.length && bytes.every((one, index) => one === this.#of[index]))
      return this.#paths;
    this.#of = bytes;
    const mark = markOf(nodes.find(([name]) => name === markName)?.[1].synced);
    const records = nodes
      .flatMap(([name, node]) => (slotOf(name) === undefined ? [] : this.#scan(node.synced)))
      .filter(({ generation }) => generation >= mark)
      .sort((a, b) => a.sequence - b.sequence);
    this.#paths = pathsOf(records);
    return this.#paths;
  }

  #scan(segment: Buffer): readonly DurableRecord[] {
    const known = this.#scanned.get(segment);
    if (known !== undefined) return known;
    const found = scanSegment(segment, Number.POSITIVE_INFINITY).records.map(
      ({ position, length, sequence, generation }) => ({
        sequence,
        generation,
        ...contentOf(segment.subarray(position, position + length)),
      }),
    );
    this.#scanned.set(segment, found);
    return found;
  }
}

function markOf(bytes: Buffer | undefined): number {
  if (bytes === undefined) return 0;
  return Math.max(0, ...markSlots.map((at) => markIn(bytes, at)?.generation ?? 0));
}

/** The last record of a path decides. A path in a folder that was made void is as the files say. */
function pathsOf(records: readonly DurableRecord[]): Map<string, Recorded> {
  const paths = new Map<string, Recorded>();
  for (const { operations, bytes } of records) {
    let read = 0;
    for (const operation of operations) {
      if (operation.do === "blob") paths.set(operation.path, bytes);
      else if (operation.do === "remove") paths.set(operation.path, "gone");
      else if (operation.do === "file") {
        paths.set(operation.path, bytes.subarray(read, read + operation.bytes));
        read += operation.bytes;
      } else if (operation.do === "void") {
        for (const path of paths.keys())
          if (path === operation.path || path.startsWith(`${operation.path}/`)) paths.delete(path);
      }
    }
  }
  return paths;
}
