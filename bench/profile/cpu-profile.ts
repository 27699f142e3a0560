/** Reads a profile of V8's sampling profiler as a tree of calls with the time spent in each. */
import { readFile } from "node:fs/promises";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** From 0. */
  readonly lineNumber: number;
}

/** The file's format, as in Chrome's DevTools; unused fields are omitted. */
interface ProfileFile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function called from its parent. */
export interface Call {
  readonly name: string;
  /** File and line; `""` outside JavaScript. */
  readonly place: string;
  ownMicroseconds: number;
  /** Including all its calls. */
  microseconds: number;
  readonly children: Map<string, Call>;
}

export interface CpuProfile {
  /** The thread's time without idle time. */
  readonly busy: Call;
  readonly idleMicroseconds: number;
}

/** V8's name for an idle event loop, and the function in which an idle piscina worker waits. */
const idle = new Set(["(idle)", "atomicsWaitLoop"]);

export async function readCpuProfile(path: string): Promise<CpuProfile> {
  const file = JSON.parse(await readFile(path, "utf8")) as ProfileFile;
  const own = ownTimes(file);
  const nodes = new Map(file.nodes.map((node) => [node.id, node]));
  let idleMicroseconds = 0;
  const add = (id: number, parent: Call): void => {
    const node = nodes.get(id);
    if (node === undefined) throw new Error(`${path} names a missing node`);
    const spent = own.get(id) ?? 0;
    if (idle.has(node.callFrame.functionName)) {
      idleMicroseconds += spent;
      return;
    }
    const call = childOf(parent, node.callFrame);
    call.ownMicroseconds += spent;
    for (const child of node.children ?? []) add(child, call);
  };
  const busy = newCall("all", "");
  const [root] = file.nodes;
  for (const child of root?.children ?? []) add(child, busy);
  sumUp(busy);
  return { busy, idleMicroseconds };
}

function ownTimes({ samples, timeDeltas }: ProfileFile): Map<number, number> {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    // A sample's clock may be slightly before that of the previous one.
    own.set(id, (own.get(id) ?? 0) + Math.max(0, timeDeltas[index] ?? 0));
  }
  return own;
}

/** The file has a node for each line and compilation state; here all of a function are merged. */
function childOf(parent: Call, { functionName, url, lineNumber }: CallFrame): Call {
  const place = url === "" ? "" : `${shortened(url)}:${lineNumber + 1}`;
  const name = functionName === "" ? "(anonymous)" : functionName;
  const key = `${name} ${place}`;
  let call = parent.children.get(key);
  if (call === undefined) {
    call = newCall(name, place);
    parent.children.set(key, call);
  }
  return call;
}

function newCall(name: string, place: string): Call {
  return { name, place, ownMicroseconds: 0, microseconds: 0, children: new Map() };
}

/** Path from the program's own folder, or from the package, on. */
function shortened(url: string): string {
  return /.*\/(node_modules\/.*|dist\/.*)$/.exec(url)?.[1] ?? url;
}

function sumUp(call: Call): void {
  call.microseconds = call.ownMicroseconds;
  for (const child of call.children.values()) {
    sumUp(child);
    call.microseconds += child.microseconds;
  }
}

/** Functions by their own time, from all callers; the largest first. */
export function hottest(busy: Call): readonly Call[] {
  const all = new Map<string, Call>();
  const visit = (call: Call): void => {
    const key = `${call.name} ${call.place}`;
    const sum = all.get(key) ?? newCall(call.name, call.place);
    sum.ownMicroseconds += call.ownMicroseconds;
    all.set(key, sum);
    for (const child of call.children.values()) visit(child);
  };
  visit(busy);
  return [...all.values()].sort((a, b) => b.ownMicroseconds - a.ownMicroseconds);
}
