/**
 * Settings from variables of the environment, by CNCF distribution's rule: `REGISTRY_`, then the names on the
 * way to the key in upper case, joined by `_`. The index is the name of a list's element. Variables go in the
 * order of their names, so that one for a group comes before those for what is in it.
 */
import { z } from "zod";
import type { Notice } from "./apply-rules.js";
import { isRuledGroup, ruleFor, rules } from "./distribution.js";
import type { Problem } from "./errors.js";
import { below, isText, keysOf, peel } from "./keys.js";
import { nearest } from "./nearest.js";
import { schema } from "./schema.js";
import { shownUnknown } from "./secret.js";
import { isServiceLink } from "./service-links.js";
import { isNames, type Path, type SettingsTree } from "./tree.js";
import { readYaml } from "./yaml.js";

const prefix = "REGISTRY_";

const ofKubernetes =
  "set by Kubernetes for a Service, not a setting: ignored (`enableServiceLinks: false` in the pod leaves it out)";

/** Read elsewhere. */
const fileVariable = "REGISTRY_CONFIGURATION_PATH";

/**
 * What an unknown variable must not be ignored for: a server that starts without the login, the limit or the log that
 * somebody meant to set is more open than they know.
 */
const protectedGroups = ["AUTH", "AUDIT", "HTTP_TLS", "LIMITS", "TAGS"].map((group) => prefix + group);

export function variableOf(path: Path): string {
  return prefix + path.join("_").toUpperCase();
}

function isProtected(variable: string): boolean {
  return protectedGroups.some((group) => variable === group || variable.startsWith(`${group}_`));
}

function knownVariables(): string[] {
  return [...keysOf(schema).map(({ path }) => path), ...Object.keys(rules).map((key) => key.split("."))].map(
    variableOf,
  );
}

export interface AppliedVariables {
  readonly problems: readonly Problem[];
  readonly notices: readonly Notice[];
}

/**
 * Puts into the tree what the variables say. One that names no key is somebody else's and ignored, unless it looks
 * like a misspelled one of ours.
 */
export function applyVariables(settings: SettingsTree, variables: NodeJS.ProcessEnv): AppliedVariables {
  const problems: Problem[] = [];
  const notices: Notice[] = [];
  for (const [variable, value] of Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (value === undefined || !variable.startsWith(prefix) || variable === fileVariable) continue;
    const origin = { from: "variable", variable } as const;
    if (isServiceLink(variable.slice(prefix.length), value)) {
      notices.push({ key: variable, origin, message: ofKubernetes });
      continue;
    }
    const found = find(settings, variable);
    if (found === undefined) {
      const known = meantBy(variable);
      if (known === undefined && !isProtected(variable)) {
        notices.push({ key: variable, origin, message: "there is no such setting: ignored" });
        continue;
      }
      const hint = known === undefined ? "" : `; the nearest is ${known}`;
      problems.push({
        key: variable,
        origin,
        value: shownUnknown(variable, value),
        message: `there is no such variable${hint}`,
      });
    } else if (found.text) {
      settings.set(found.path, value, origin);
    } else {
      const { tree, faults } = readYaml(value);
      settings.set(found.path, tree, origin);
      problems.push(
        ...faults.map(({ why }) => ({
          key: found.path.join("."),
          origin,
          message: `not YAML or JSON: ${why}`,
        })),
      );
    }
  }
  return { problems, notices };
}

/**
 * The variable of ours that was probably meant. Of the names only what is behind `REGISTRY_` counts, or `REGISTRY_USER`
 * would be near to half of the short ones.
 */
function meantBy(variable: string): string | undefined {
  const known = knownVariables();
  const near = nearest(
    variable.slice(prefix.length),
    known.map((name) => name.slice(prefix.length)),
  );
  return near === undefined ? known.find((name) => variable.startsWith(`${name}_`)) : prefix + near;
}

/** Follows a variable's words down the schema; `undefined` where they lead to no key. */
function find(settings: SettingsTree, variable: string): { path: Path; text: boolean } | undefined {
  const words = variable.slice(prefix.length).split("_");
  const path: string[] = [];
  let at: z.core.$ZodType = schema;
  for (const [index, word] of words.entries()) {
    const name = nameOf(settings, path, at, word);
    const next = name === undefined ? undefined : below(at, name);
    if (name === undefined || next === undefined) {
      const rest = [...path, ...words.slice(index).map((one) => one.toLowerCase())];
      if (isRuledGroup(rest)) return { path: rest, text: false };
      return ruleFor(rest) === undefined ? undefined : { path: rest, text: true };
    }
    if (peel(at).core instanceof z.ZodArray && settings.get(path) === undefined)
      settings.set(path, [], { from: "variable", variable });
    path.push(name);
    at = next;
  }
  return { path, text: isText(at) };
}

/** The name in the tree that a variable's word stands for. */
function nameOf(settings: SettingsTree, path: Path, at: z.core.$ZodType, word: string): string | undefined {
  const { core } = peel(at);
  if (core instanceof z.ZodObject) return Object.keys(core.shape).find((name) => name.toUpperCase() === word);
  if (core instanceof z.ZodArray) return /^\d{1,3}$/.test(word) ? word : undefined;
  if (!(core instanceof z.ZodRecord)) return undefined;
  const there = settings.get(path);
  const names = isNames(there) ? Object.keys(there) : [];
  return names.find((name) => name.toUpperCase() === word.toUpperCase()) ?? word.toLowerCase();
}
