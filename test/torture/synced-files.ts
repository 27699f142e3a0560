/**
 * A file system with only the guarantees of POSIX, driven by a trace. A file's bytes are on stable storage if they were
 * written before the start of a sync that has ended; a directory's entries if they were made before the start of such a sync
 * of that directory. Everything else may or may not be lost.
 */
import type { Call, TraceEvent } from "./trace.js";

export class FileNode {
  bytes: Buffer = Buffer.alloc(0);
  /** The state on stable storage. */
  synced: Buffer = Buffer.alloc(0);
  #changes = 0;
  #syncedChange = 0;

  write(bytes: Buffer, position: number): void {
    const size = Math.max(this.bytes.length, position + bytes.length);
    const grown = Buffer.alloc(size);
    this.bytes.copy(grown);
    bytes.copy(grown, position);
    this.bytes = grown;
    this.#changes++;
  }

  /** Returns what to do when a sync that starts now has ended. */
  covered(): () => void {
    const { bytes } = this;
    const change = this.#changes;
    return () => {
      // A shorter sync may have begun later and ended before.
      if (change < this.#syncedChange) return;
      this.synced = bytes;
      this.#syncedChange = change;
    };
  }

  truncate(size: number): void {
    const cut = Buffer.alloc(size);
    this.bytes.copy(cut);
    this.bytes = cut;
    this.#changes++;
  }
}

/** Entries added or removed in one step; a rename within a directory does both at once. */
type Change = ReadonlyMap<string, Node | undefined>;
export type Node = FileNode | DirectoryNode;

export class DirectoryNode {
  readonly entries = new Map<string, Node>();
  readonly synced = new Map<string, Node>();
  /** Unsynced changes, in order. */
  #unsynced: Change[] = [];
  #changes = 0;

  change(change: Change): void {
    apply(this.entries, change);
    this.#unsynced.push(change);
    this.#changes++;
  }

  /** Returns what to do when a sync that starts now has ended. */
  covered(): () => void {
    const changes = this.#changes;
    return () => this.#syncedUpTo(changes);
  }

  /** Entries that exist, or may still be on stable storage. */
  allEntries(): Iterable<Node> {
    return new Set([...this.entries.values(), ...this.synced.values()]);
  }

  #syncedUpTo(changes: number): void {
    const count = this.#unsynced.length - (this.#changes - changes);
    for (const change of this.#unsynced.splice(0, Math.max(0, count))) apply(this.synced, change);
  }

  get unsynced(): number {
    return this.#unsynced.length;
  }

  /** The synced entries, plus the first this many unsynced changes. */
  withUnsynced(count: number): ReadonlyMap<string, Node> {
    const entries = new Map(this.synced);
    for (const change of this.#unsynced.slice(0, count)) apply(entries, change);
    return entries;
  }
}

function apply(entries: Map<string, Node>, change: Change): void {
  for (const [name, node] of change) {
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
  }
}

const writes = new Set(["write", "pwrite64"]);

export class SyncedFiles {
  readonly top = new DirectoryNode();
  /** The changes covered by a running sync. */
  readonly #begun = new Map<Call, () => void>();

  /** `root` is the folder that exists before the trace, with everything of interest below it. */
  constructor(readonly root: string) {}

  apply({ call, result }: TraceEvent): void {
    if (call.name === "fsync" || call.name === "fdatasync") this.#sync(call, result !== undefined);
    else if (call.name === "syncfs") this.#syncAll(call, result !== undefined);
    else if (result !== undefined) this.#done(call, result);
  }

  #sync(call: Call, ended: boolean): void {
    if (ended) {
      this.#begun.get(call)?.();
      this.#begun.delete(call);
      return;
    }
    const node = this.#find(call.path);
    if (node !== undefined) this.#begun.set(call, node.covered());
  }

  /** Every change before the start of the call is on stable storage after its end. */
  #syncAll(call: Call, ended: boolean): void {
    if (ended) {
      this.#begun.get(call)?.();
      this.#begun.delete(call);
      return;
    }
    const done: (() => void)[] = [];
    const seen = new Set<Node>();
    const note = (node: Node): void => {
      if (seen.has(node)) return;
      seen.add(node);
      done.push(node.covered());
      if (node instanceof DirectoryNode) for (const entry of node.allEntries()) note(entry);
    };
    note(this.top);
    this.#begun.set(call, () => {
      for (const one of done) one();
    });
  }

  #done(call: Call, result: number): void {
    const { name, texts, rest, path } = call;
    if (writes.has(name)) {
      const file = this.#file(path);
      // Without a position, it is written from its start.
      const position = name === "write" ? file?.bytes.length : Number(rest.split(", ").at(-1));
      file?.write(texts[0]?.subarray(0, result) ?? Buffer.alloc(0), position ?? 0);
      return;
    }
    const [first = "", second = ""] = texts.map((text) => text.toString());
    if (![path, first, second].some((named) => this.#within(named))) return;
    if (name === "openat") this.#open(first, rest);
    else if (name === "mkdir") this.#makeFolder(first);
    else if (name === "unlink" || name === "rmdir") this.#set(first, undefined);
    else if (name === "link") this.#set(second, this.#find(first));
    else if (name === "rename") this.#rename(first, second);
    else if (name === "ftruncate") this.#file(path)?.truncate(Number(rest.split(", ")[1]));
    else throw new Error(`line ${call.line} of the trace: ${name} of ${path || first} is not modelled`);
  }

  #within(path: string | undefined): boolean {
    return path?.startsWith(`${this.root}/`) === true;
  }

  #find(path: string | undefined): Node | undefined {
    if (path === this.root) return this.top;
    if (path === undefined || !this.#within(path)) return undefined;
    let node: Node | undefined = this.top;
    for (const part of path.slice(this.root.length + 1).split("/"))
      node = node instanceof DirectoryNode ? node.entries.get(part) : undefined;
    return node;
  }

  /** Returns the file on stable storage at the path, with all folders above it. */
  findSynced(path: string): Node | undefined {
    let node: Node | undefined = this.top;
    for (const part of path.slice(this.root.length + 1).split("/"))
      node = node instanceof DirectoryNode ? node.synced.get(part) : undefined;
    return node;
  }

  #file(path: string): FileNode | undefined {
    const node = this.#find(path);
    return node instanceof FileNode ? node : undefined;
  }

  #open(path: string, flags: string): void {
    const there = this.#find(path);
    if (flags.includes("O_TRUNC") && there instanceof FileNode) there.truncate(0);
    if (flags.includes("O_CREAT") && there === undefined) this.#set(path, new FileNode());
  }

  /** Another thread's call inside it may have revealed its creation already. */
  #makeFolder(path: string): void {
    if (this.#find(path) === undefined) this.#set(path, new DirectoryNode());
  }

  #set(path: string, node: Node | undefined): void {
    this.#folder(path).change(new Map([[nameOf(path), node]]));
  }

  #rename(from: string, to: string): void {
    const node = this.#find(from);
    const [source, target] = [this.#folder(from), this.#folder(to)];
    // Both links of one inode remain.
    if (node !== undefined && node === this.#find(to)) return;
    if (source === target) {
      source.change(
        new Map([
          [nameOf(from), undefined],
          [nameOf(to), node],
        ]),
      );
      return;
    }
    target.change(new Map([[nameOf(to), node]]));
    source.change(new Map([[nameOf(from), undefined]]));
  }

  /** Returns the folder of a path, and creates it if the end of its creation has not been traced yet. */
  #folder(path: string): DirectoryNode {
    const parent = path.slice(0, path.lastIndexOf("/"));
    const node = this.#find(parent);
    if (node instanceof DirectoryNode) return node;
    const made = new DirectoryNode();
    this.#folder(parent).change(new Map([[nameOf(parent), made]]));
    return made;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
