/**
 * Parses policy files (YAML or JSON) by a schema. Reports the first errors, each with its line and what was expected or, for an
 * unknown key, the nearest known one.
 */
import { isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { cutText } from "../lib/cut-text.js";
import { ConfigError } from "./errors.js";
import { nearest } from "./nearest.js";
import { oneOf } from "./values.js";

/** Bounds on the memory and time of a reload: ten thousand rules have about a megabyte. */
const fileCharactersMax = 2 * 1024 * 1024;

/** Errors that are reported; the rest is counted. */
const errorsMax = 20;

/** Longer values and errors are cut. */
const shownCharactersMax = 200;
const errorCharactersMax = 2_000;

/** Parses `text`, the content of the file at `path`. Throws `ConfigError`. */
export function parsePolicyFile<T extends z.ZodType>(schema: T, text: string, path: string): z.output<T> {
  if (text.length > fileCharactersMax)
    throw new ConfigError(`${path} has more than ${fileCharactersMax} characters; use globs and groups`);
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const faults = document.errors
    .slice(0, errorsMax)
    .map(({ message, pos }) => `${path}:${counter.linePos(pos[0]).line}: ${message}`);
  if (faults.length > 0) throw errorOf(path, faults, document.errors.length);
  const given: unknown = document.toJS();
  const parsed = schema.safeParse(given ?? {}, { error: expected });
  if (parsed.success) return parsed.data;
  const nodeAt = (key: readonly PropertyKey[]) => {
    const node = document.getIn(key, true);
    return isNode(node) ? node : undefined;
  };
  const lineOf = (key: readonly PropertyKey[]): string => {
    const range = nodeAt(key)?.range;
    if (range) return `:${counter.linePos(range[0]).line}`;
    // A missing key has no line of its own; report it at its group.
    return key.length === 0 ? "" : lineOf(key.slice(0, -1));
  };
  const issues = parsed.error.issues.slice(0, errorsMax).flatMap(flattened);
  const lines = issues.slice(0, errorsMax).map(({ path: key, message }) => {
    const value = nodeAt(key)?.toJS(document);
    const said = value === undefined ? "" : ` = ${cutText(JSON.stringify(value), shownCharactersMax)}`;
    const subject = key.length === 0 ? "" : `${key.join(".")}${said}: `;
    return `${path}${lineOf(key)}: ${cutText(`${subject}${message}`, errorCharactersMax)}`;
  });
  throw errorOf(path, lines, Math.max(issues.length, parsed.error.issues.length));
}

function errorOf(path: string, lines: readonly string[], count: number): ConfigError {
  const more = count - lines.length;
  return new ConfigError([...lines, ...(more > 0 ? [`${path}: and ${more} more errors`] : [])].join("\n"));
}

type Flat = Pick<z.core.$ZodIssue, "path" | "message">;

/** Replaces a union's issue by those of the probably intended alternative: the one that matched further. */
function flattened(issue: z.core.$ZodIssue): Flat[] {
  if (issue.code !== "invalid_union") return [issue];
  const ways = issue.errors.map((errors) => errors.slice(0, errorsMax).flatMap(flattened));
  const depthOf = (way: readonly Flat[]) => Math.max(...way.map(({ path }) => path.length));
  const [best = []] = ways.toSorted((a, b) => depthOf(b) - depthOf(a));
  return best.map(({ path, message }) => ({ path: [...issue.path, ...path], message }));
}

const kinds: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "keys with values",
  record: "names with values",
  string: "text",
};

function expected(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is missing" : `expected ${kinds[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values.map(String))}`;
    case "too_small":
      return issue.origin === "number" ? `expected ${issue.minimum} or more` : "expected one or more";
    case "unrecognized_keys":
      return unknownKeys(issue.keys, issue.inst);
    default:
      return undefined;
  }
}

function unknownKeys(keys: readonly string[], group: unknown): string {
  const more = keys.length - errorsMax;
  const shown = keys.slice(0, errorsMax).map((key) => unknownKey(cutText(key, shownCharactersMax), group));
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

function unknownKey(key: string, group: unknown): string {
  const known = group instanceof z.ZodObject ? nearest(key, Object.keys(group.shape)) : undefined;
  return `there is no key ${key}${known === undefined ? "" : `; the nearest is ${known}`}`;
}
