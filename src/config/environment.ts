/**
 * Reads settings from environment variables, by CNCF distribution's rule: `REGISTRY_`, then the path of the key in upper
 * case, joined by `_`. The name of a list element is its index. Variables apply in the order of their names, so that a
 * variable for a group applies before those for its members.
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
  "set by Kubernetes for a Service, not a setting: ignored (set `enableServiceLinks: false` in the pod to avoid it)";

/** Read elsewhere. */
const fileVariable = "REGISTRY_CONFIGURATION_PATH";

/**
 * Unknown variables in these groups are errors: a server that starts without an intended login, limit or log is more open
 * than its operator knows.
 */
const protectedGroups = ["AUTH", "AUDIT", "HTTP_TLS", "LIMITS", "STORAGE_S3", "TAGS"].map(
  (group) => prefix + group,
);

/** Variables of other programs that look like settings. */
const foreignVariables: Readonly<Record<string, string>> = {
  REGISTRY_AUTH_FILE: "ignored: podman, skopeo and buildah keep their logins there",
};

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
 * Applies the variables to the tree. Ignores a variable that names no key, because another program may use it, unless it
 * looks like a misspelled setting.
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
    const foreign = foreignVariables[variable];
    if (foreign !== undefined) {
      notices.push({ key: variable, origin, message: foreign });
      continue;
    }
    const found = find(settings, variable);
    if (found === undefined) {
      const known = meantBy(variable);
      if (known === undefined && !isProtected(variable)) {
        notices.push({ key: variable, origin, message: "ignored: there is no such setting" });
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
 * Returns the setting's variable that was probably meant. Compares the names without `REGISTRY_`; with it, `REGISTRY_USER`
 * would be close to half of the short ones.
 */
function meantBy(variable: string): string | undefined {
  const known = knownVariables();
  const near = nearest(
    variable.slice(prefix.length),
    known.map((name) => name.slice(prefix.length)),
  );
  return near === undefined ? known.find((name) => variable.startsWith(`${name}_`)) : prefix + near;
}

/** Follows a variable's words down the schema. Returns `undefined` if they lead to no key. */
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

/** Returns the name in the tree for a variable's word. */
function nameOf(settings: SettingsTree, path: Path, at: z.core.$ZodType, word: string): string | undefined {
  const { core } = peel(at);
  if (core instanceof z.ZodObject) return Object.keys(core.shape).find((name) => name.toUpperCase() === word);
  if (core instanceof z.ZodArray) return /^\d{1,3}$/.test(word) ? word : undefined;
  if (!(core instanceof z.ZodRecord)) return undefined;
  const there = settings.get(path);
  const names = isNames(there) ? Object.keys(there) : [];
  return names.find((name) => name.toUpperCase() === word.toUpperCase()) ?? word.toLowerCase();
}
