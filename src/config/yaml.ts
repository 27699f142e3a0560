/** Parses YAML into a tree in which every value is the text as written, and records the line of every key. */
import { createRequire } from "node:module";
import type { YAMLMap, YAMLSeq } from "yaml";
import type { Problem } from "./errors.js";
import { keyOf, type Path, type Tree } from "./tree.js";

export interface ReadYaml {
  readonly tree: Tree;
  /** By key, such as `http.addr`. */
  readonly lines: ReadonlyMap<string, number>;
  /** YAML errors, each with its line and reason. */
  readonly faults: readonly { readonly line: number | undefined; readonly why: string }[];
}

const require = createRequire(import.meta.url);

/** Loaded lazily: a server configured by plain variables needs no YAML parser. */
const yaml = (): typeof import("yaml") => require("yaml");

const emptyWords = new Set(["", "~", "null"]);

/** Maximum nesting; no setting is half as deep. It also ends an alias that contains itself. */
const depthMax = 20;

/** Maximum number of values after alias expansion: without it, a dozen lines can demand more memory than there is. */
const valuesMax = 100_000;

export function readYaml(text: string): ReadYaml {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = yaml();
  const counter = new LineCounter();
  const document = parseDocument(text, { schema: "failsafe", lineCounter: counter, prettyErrors: false });
  const lines = new Map<string, number>();
  const faults: { line: number | undefined; why: string }[] = [...document.errors, ...document.warnings].map(
    ({ message, pos }) => ({ line: counter.linePos(pos[0]).line, why: message }),
  );
  const lineOf = (node: unknown): number | undefined => {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return range?.[0] === undefined ? undefined : counter.linePos(range[0]).line;
  };
  let values = 0;
  /** Nodes that aliases on the path stand for. */
  const holders = new Set<unknown>();
  /** Returns `undefined` after a fault, which is already recorded. */
  const treeOf = (node: unknown, path: Path): Tree | undefined => {
    if (++values > valuesMax) {
      if (values === valuesMax + 1) faults.push({ line: lineOf(node), why: `more than ${valuesMax} values` });
      return undefined;
    }
    if (path.length > depthMax) {
      faults.push({ line: lineOf(node), why: `nested deeper than ${depthMax} levels` });
      return undefined;
    }
    if (isAlias(node)) {
      const held = node.resolve(document);
      if (holders.has(held)) {
        const why = `the alias *${node.source} refers to a value that contains it; write the value out`;
        faults.push({ line: lineOf(node), why });
        return undefined;
      }
      return treeOf(held, path);
    }
    if (!isMap(node) && !isSeq(node)) return textOf(node);
    holders.add(node);
    const tree = isMap(node) ? namesOf(node, path) : listOf(node, path);
    holders.delete(node);
    return tree;
  };
  const note = (key: unknown, path: Path): void => {
    const line = lineOf(key);
    if (line !== undefined) lines.set(keyOf(path), line);
  };
  const namesOf = ({ items }: YAMLMap, path: Path): Tree =>
    Object.fromEntries(
      items.flatMap(({ key, value }) => {
        const name = String(isScalar(key) ? key.value : key);
        note(key, [...path, name]);
        const tree = treeOf(value, [...path, name]);
        return tree === undefined ? [] : [[name, tree] as const];
      }),
    );
  const listOf = ({ items }: YAMLSeq, path: Path): Tree =>
    items.flatMap((item, index) => {
      note(item, [...path, String(index)]);
      const tree = treeOf(item, [...path, String(index)]);
      return tree === undefined ? [] : [tree];
    });
  const textOf = (node: unknown): Tree => {
    if (!isScalar(node)) return null;
    const value = String(node.value);
    return node.type === "PLAIN" && emptyWords.has(value) ? null : value;
  };
  return { tree: treeOf(document.contents, []) ?? null, lines, faults };
}

/** Faults as problems of a file. */
export function problemsOf({ faults }: ReadYaml, file: string): Problem[] {
  return faults.map(({ line, why }) => ({ key: "", origin: { from: "file", file, line }, message: why }));
}
