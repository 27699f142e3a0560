/**
 * Takes out of the settings what is none of Gantry's, before they are parsed: keys that CNCF distribution has
 * and Gantry has not, and keys that nobody knows.
 */
import type { z } from "zod";
import { isRuledGroup, type Rule, rules } from "./distribution.js";
import type { Origin, Problem } from "./errors.js";
import { below, isGroup, keysOf } from "./keys.js";
import { nearest } from "./nearest.js";
import { schema } from "./schema.js";
import { shownUnknown } from "./secret.js";
import { isNames, keyOf, type Path, type SettingsTree, type Tree } from "./tree.js";

/** What was accepted and changes nothing, and why. */
export interface Notice {
  readonly key: string;
  readonly origin: Origin;
  readonly message: string;
}

export interface Ruled {
  readonly problems: readonly Problem[];
  readonly notices: readonly Notice[];
}

export function applyRules(settings: SettingsTree, ignoreUnsupported: boolean): Ruled {
  const problems: Problem[] = [];
  const notices: Notice[] = [];

  const rule = (path: Path, value: Tree, { does, why, ...rest }: Rule) => {
    settings.remove(path);
    const told = { key: keyOf(path), origin: settings.originOf(path) };
    // A key of which nothing is said says nothing, but `storage: { s3: }` chooses a storage.
    if (value === null && does !== "refuse") return;
    if (does === "accept" && "values" in rest && rest.values.includes(String(value))) return;
    if (does === "note") notices.push({ ...told, message: `changes nothing: ${why}` });
    else if (ignoreUnsupported) notices.push({ ...told, message: `passed over: ${why}` });
    else
      problems.push({
        ...told,
        value: shownUnknown(keyOf(path), value),
        message: `not supported: ${why}. To start without it: --ignore-unsupported`,
      });
  };

  const walk = (path: Path, tree: Tree, at: z.core.$ZodType | undefined) => {
    const children = Array.isArray(tree)
      ? tree.map((value, index) => [String(index), value] as const)
      : isNames(tree)
        ? Object.entries(tree)
        : [];
    for (const [name, value] of children) {
      const here = [...path, name];
      const ruled = rules[keyOf(here)];
      const next = at === undefined ? undefined : below(at, name);
      if (ruled !== undefined) rule(here, value, ruled);
      else if (next === undefined && !isRuledGroup(here)) unknown(here, value);
      else {
        const named = groupNamed(here, value, next);
        if (named !== undefined) settings.set(here, named, settings.originOf(here));
        walk(here, named ?? value, next);
        // A group that only rules know is not to reach the schema; one of which nothing is said has its defaults.
        if (next === undefined || value === null) settings.remove(here);
      }
    }
  };

  const unknown = (path: Path, value: Tree) => {
    settings.remove(path);
    problems.push({
      key: keyOf(path),
      origin: settings.originOf(path),
      value: shownUnknown(keyOf(path), value),
      message: `there is no such key${hintFor(path)}`,
    });
  };

  walk([], settings.root, schema);
  return { problems, notices };
}

/**
 * CNCF distribution lets a group be one name, for the group of that name in it: `REGISTRY_AUTH=htpasswd`,
 * `storage: filesystem`.
 */
function groupNamed(path: Path, value: Tree, at: z.core.$ZodType | undefined): Tree | undefined {
  if (typeof value !== "string") return undefined;
  const next = at === undefined ? undefined : below(at, value);
  const chosen = [...path, value];
  const isChoice =
    Object.hasOwn(rules, keyOf(chosen)) || isRuledGroup(chosen) || (next !== undefined && isGroup(next));
  return isChoice ? { [value]: {} } : undefined;
}

/** The same key elsewhere, or the nearest. */
function hintFor(path: Path): string {
  const key = keyOf(path);
  const known = [...keysOf(schema).map((one) => keyOf(one.path)), ...Object.keys(rules)];
  const names = new Set(known.flatMap(groupsOf));
  const elsewhere = [...names].find((one) => one.endsWith(`.${key}`));
  const hint = elsewhere ?? nearest(key, names);
  return hint === undefined ? "" : `; the nearest is ${hint}`;
}

/** A key and the groups that it is in: `http`, `http.tls`, `http.tls.key`. */
function groupsOf(key: string): string[] {
  return key.split(".").map((_, index, names) => names.slice(0, index + 1).join("."));
}
