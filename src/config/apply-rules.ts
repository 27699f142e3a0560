/**
 * Removes foreign keys from the settings before they are parsed: keys that only CNCF distribution has, and unknown
 * keys.
 */
import { z } from "zod";
import { isRuledGroup, type Rule, ruleAt, rules } from "./distribution.js";
import type { Origin, Problem } from "./errors.js";
import { below, isGroup, keysOf, peel } from "./keys.js";
import { nearest } from "./nearest.js";
import { schema } from "./schema.js";
import { shownUnknown } from "./secret.js";
import { groupExpected } from "./section.js";
import { isNames, keyOf, type Path, type SettingsTree, type Tree } from "./tree.js";

/** A setting that was accepted but changes nothing, and the reason. */
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

  const obey = (path: Path, value: Tree, rule: Rule) => {
    settings.remove(path);
    const told = { key: keyOf(path), origin: settings.originOf(path) };
    // An empty key has no effect, except in `storage: { s3: }`, where it selects a storage driver.
    if (value === null && rule.does !== "refuse") return;
    if (rule.does === "note") notices.push({ ...told, message: `changes nothing: ${rule.why}` });
    else if (rule.does === "accept" && rule.values.includes(String(value))) return;
    else if (ignoreUnsupported && rule.firm !== true)
      notices.push({ ...told, message: `ignored: ${rule.why}` });
    else {
      const way = rule.firm === true ? "" : ". To start without it, pass --ignore-unsupported";
      const message = `not supported: ${rule.why}${way}`;
      problems.push({ ...told, value: shownUnknown(keyOf(path), value), message });
    }
  };

  const walk = (path: Path, tree: Tree, at: z.core.$ZodType | undefined) => {
    for (const [name, value] of childrenOf(tree, at)) {
      const here = [...path, name];
      const ruled = ruleAt(here);
      const next = at === undefined ? undefined : below(at, name);
      if (ruled !== undefined) obey(here, value, ruled);
      else if (next === undefined && !isRuledGroup(here))
        wrong(here, value, `there is no such key${hintFor(here)}`);
      else {
        const named = groupNamed(here, value, next);
        if (named !== undefined) settings.set(here, named, settings.originOf(here));
        const group = named ?? value;
        walk(here, group, next);
        if (next === undefined && group !== null && !isNames(group)) wrong(here, group, groupExpected);
        // A group that only the rules know must not reach the schema. An empty group has its defaults; an optional one is
        // chosen by its name, as in `storage: { s3: }`.
        if (next === undefined || value === null) settings.remove(here);
        if (value === null && next !== undefined && isGroup(next) && peel(next).optional)
          settings.set(here, {}, settings.originOf(here));
      }
    }
  };

  const wrong = (path: Path, value: Tree, message: string) => {
    settings.remove(path);
    const key = keyOf(path);
    problems.push({ key, origin: settings.originOf(path), value: shownUnknown(key, value), message });
  };

  walk([], settings.root, schema);
  return { problems, notices };
}

/** Returns the members of a group or list. Returns none if the schema expects something else; the schema reports that. */
function childrenOf(tree: Tree, at: z.core.$ZodType | undefined): [string, Tree][] {
  const core = at === undefined ? undefined : peel(at).core;
  if (Array.isArray(tree))
    return core instanceof z.ZodArray ? tree.map((value, index) => [String(index), value]) : [];
  const isGroup = core === undefined || core instanceof z.ZodObject || core instanceof z.ZodRecord;
  return isGroup && isNames(tree) ? Object.entries(tree) : [];
}

/**
 * CNCF distribution accepts a single name for a group that contains it: `REGISTRY_AUTH=htpasswd`,
 * `storage: filesystem`.
 */
function groupNamed(path: Path, value: Tree, at: z.core.$ZodType | undefined): Tree | undefined {
  if (typeof value !== "string") return undefined;
  const next = at === undefined ? undefined : below(at, value);
  const chosen = [...path, value];
  const isChoice =
    ruleAt(chosen) !== undefined || isRuledGroup(chosen) || (next !== undefined && isGroup(next));
  return isChoice ? { [value]: {} } : undefined;
}

/** Suggests the same key elsewhere, or the nearest one. */
function hintFor(path: Path): string {
  const key = keyOf(path);
  const known = [...keysOf(schema).map((one) => keyOf(one.path)), ...Object.keys(rules)];
  const names = new Set(known.flatMap(groupsOf));
  const elsewhere = [...names].find((one) => one.endsWith(`.${key}`));
  const hint = elsewhere ?? nearest(key, names);
  return hint === undefined ? "" : `; the nearest is ${hint}`;
}

/** A key and the groups that contain it: `http`, `http.tls`, `http.tls.key`. */
function groupsOf(key: string): string[] {
  return key.split(".").map((_, index, names) => names.slice(0, index + 1).join("."));
}
