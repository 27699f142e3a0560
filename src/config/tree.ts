/** Settings as written, before they are parsed: names, lists and text. */
import type { Origin } from "./errors.js";

/** `null` for a key without a value. */
export type Tree = string | null | Tree[] | { [name: string]: Tree };
export type Path = readonly string[];

export function isNames(tree: Tree | undefined): tree is { [name: string]: Tree } {
  return typeof tree === "object" && tree !== null && !Array.isArray(tree);
}

/** A tree of settings and the origin of each. */
export class SettingsTree {
  root: { [name: string]: Tree } = {};
  readonly #origins = new Map<string, Origin>();

  get(path: Path): Tree | undefined {
    let tree: Tree | undefined = this.root;
    for (const name of path) {
      if (Array.isArray(tree)) tree = tree[Number(name)];
      else tree = isNames(tree) && Object.hasOwn(tree, name) ? tree[name] : undefined;
    }
    return tree;
  }

  /** Creates missing groups on the path and replaces other values that are in the way. */
  set(path: Path, value: Tree, origin: Origin): void {
    const [last = "", ...reversed] = path.toReversed();
    let group: { [name: string]: Tree } | Tree[] = this.root;
    for (const name of reversed.toReversed()) {
      const below: Tree | undefined = childOf(group, name);
      const next: { [name: string]: Tree } | Tree[] =
        typeof below === "object" && below !== null ? below : {};
      if (next !== below) put(group, name, next);
      group = next;
    }
    put(group, last, value);
    const key = keyOf(path);
    for (const other of this.#origins.keys()) if (other.startsWith(`${key}.`)) this.#origins.delete(other);
    this.#origins.set(key, origin);
  }

  remove(path: Path): void {
    const group = this.get(path.slice(0, -1));
    if (isNames(group)) delete group[path.at(-1) ?? ""];
  }

  mark(path: Path, origin: Origin): void {
    this.#origins.set(keyOf(path), origin);
  }

  /** Returns the origin of the value at the path, or else of a member, or of the group that contains it. */
  originOf(path: Path): Origin {
    const exact = this.#origins.get(keyOf(path));
    if (exact !== undefined) return exact;
    for (const [key, origin] of this.#origins) if (key.startsWith(`${keyOf(path)}.`)) return origin;
    for (let length = path.length - 1; length > 0; length--) {
      const origin = this.#origins.get(keyOf(path.slice(0, length)));
      if (origin !== undefined) return origin;
    }
    return { from: "default" };
  }
}

export function keyOf(path: Path): string {
  return path.join(".");
}

function childOf(group: { [name: string]: Tree } | Tree[], name: string): Tree | undefined {
  if (Array.isArray(group)) return group[Number(name)];
  return Object.hasOwn(group, name) ? group[name] : undefined;
}

function put(group: { [name: string]: Tree } | Tree[], name: string, value: Tree): void {
  if (Array.isArray(group)) group[Number(name)] = value;
  // A plain assignment to `__proto__` would change the prototype.
  else Object.defineProperty(group, name, { value, enumerable: true, configurable: true, writable: true });
}
