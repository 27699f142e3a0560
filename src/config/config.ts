/**
 * The settings of a server: a YAML file, variables of the environment over it, defaults below both. All that
 * is wrong is told at once.
 */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { applyRules, type Notice } from "./apply-rules.js";
import { applyVariables } from "./environment.js";
import { ConfigError, type Origin, type Problem } from "./errors.js";
import { below, keysOf, peel, shown } from "./keys.js";
import { applyOpenTelemetry } from "./open-telemetry.js";
import { type Config, schema } from "./schema.js";
import { isNames, keyOf, type Path, SettingsTree, type Tree } from "./tree.js";
import { problemsOf, readYaml } from "./yaml.js";

export type { Config } from "./schema.js";

/** A setting as it is now, secrets hidden. */
export interface Effective {
  readonly path: Path;
  readonly value: Tree;
  readonly origin: Origin;
}

export interface Settings {
  readonly config: Config;
  /** What was accepted and changes nothing. */
  readonly notices: readonly Notice[];
  readonly effective: readonly Effective[];
}

export interface Sources {
  readonly variables: NodeJS.ProcessEnv;
  readonly file?: { readonly name: string; readonly text: string } | undefined;
  /** As the setting `ignoreunsupported`, and over it. */
  readonly ignoreUnsupported?: boolean | undefined;
}

/** Rejects with `ConfigError`. The file is the one that is named, or the one of `REGISTRY_CONFIGURATION_PATH`. */
export async function loadSettings(
  variables: NodeJS.ProcessEnv,
  options: { readonly file?: string | undefined; readonly ignoreUnsupported?: boolean | undefined } = {},
): Promise<Settings> {
  const name = options.file ?? variables.REGISTRY_CONFIGURATION_PATH;
  const { ignoreUnsupported } = options;
  if (name === undefined) return readSettings({ variables, ignoreUnsupported });
  return readSettings({ variables, file: { name, text: await readText(name) }, ignoreUnsupported });
}

/** What the system says of a settings file that it does not read, by its code. */
const unreadable: ReadonlyMap<string, string> = new Map([
  [
    "ENOENT",
    "there is no such file; give the path of a settings file, or none to use variables and defaults",
  ],
  ["EISDIR", "this is a folder; give the path of a settings file"],
  ["EACCES", "this user may not read the file; change its owner or mode"],
]);

async function readText(file: string): Promise<string> {
  const refuse = (message: string): never => {
    throw ConfigError.of([{ key: "", origin: { from: "file", file, line: undefined }, message }]);
  };
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) =>
    refuse(unreadable.get(error.code ?? "") ?? error.message),
  );
  if (!isUtf8(bytes)) refuse("the file is not text in UTF-8; save it as UTF-8");
  return bytes.toString();
}

/** Throws `ConfigError`. */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  return readSettings({ variables }).config;
}

/** Throws `ConfigError`. */
export function readSettings({ variables, file, ignoreUnsupported }: Sources): Settings {
  const settings = new SettingsTree();
  const problems: Problem[] = [];
  if (file !== undefined) problems.push(...applyFile(settings, file.name, file.text));
  const applied = applyVariables(settings, variables);
  problems.push(...applied.problems);
  applyOpenTelemetry(settings, variables);
  const ruled = applyRules(settings, ignoreUnsupported ?? settings.get(["ignoreunsupported"]) === "true");
  problems.push(...ruled.problems);
  const parsed = schema.safeParse(settings.root);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => problemOf(settings, issue)));
  const notices = [...applied.notices, ...ruled.notices];
  if (problems.length > 0 || !parsed.success) throw ConfigError.of(problems, notices);
  return {
    config: parsed.data,
    notices: [...notices, ...withoutEffect(parsed.data, settings)],
    effective: effectiveOf(settings),
  };
}

/** Settings that do not do what they say without another one. */
function withoutEffect({ http }: Config, settings: SettingsTree): Notice[] {
  if (http.relativeurls || http.host !== undefined) return [];
  const path = ["http", "relativeurls"];
  const message =
    "Location is absolute only for clients that are known to use HTTPS: say http.host to have it for all";
  return [{ key: keyOf(path), origin: settings.originOf(path), message }];
}

function applyFile(settings: SettingsTree, file: string, text: string): Problem[] {
  const read = readYaml(text);
  const problems = problemsOf(read, file);
  const { tree, lines } = read;
  if (isNames(tree)) settings.root = tree;
  else if (tree !== null)
    problems.push({
      key: "",
      origin: { from: "file", file, line: undefined },
      message: "expected keys with values, such as `http: { addr: :5000 }`",
    });
  for (const [key, line] of lines) settings.mark(key.split("."), { from: "file", file, line });
  return problems;
}

function problemOf(settings: SettingsTree, issue: z.core.$ZodIssue): Problem {
  const names = issue.path.map(String);
  const given = settings.get(names);
  // Of a name in a record that is wrong, zod tells in an issue of its own below.
  const message = (issue.code === "invalid_key" ? issue.issues[0] : issue)?.message ?? issue.message;
  return {
    key: keyOf(names),
    origin: settings.originOf(names),
    value: given === undefined ? undefined : shortened(JSON.stringify(shown(schemaAt(names), given))),
    message: given === undefined ? missing(message) : message,
  };
}

/** Characters of a wrong value that are shown: it may be half of the file. */
const shownMax = 100;

function shortened(value: string): string {
  return value.length <= shownMax ? value : `${value.slice(0, shownMax)}…`;
}

/** What zod says by itself of what is not there, and that text is expected, tell no more than that. */
function missing(message: string): string {
  return /^Invalid input|^expected text$/.test(message) ? "is missing" : `is missing: ${message}`;
}

function schemaAt(path: Path): z.core.$ZodType | undefined {
  let at: z.core.$ZodType | undefined = schema;
  for (const name of path) at = at === undefined ? undefined : below(at, name);
  return at;
}

function effectiveOf(settings: SettingsTree): Effective[] {
  return keysOf(schema).flatMap((key) => {
    if (key.path.includes("*") || key.path.includes("<name>") || isLeftOut(settings, key.path)) return [];
    const given = settings.get(key.path);
    const origin = given === undefined ? ({ from: "default" } as const) : settings.originOf(key.path);
    const value = given ?? key.defaultValue;
    return value === undefined ? [] : [{ path: key.path, value: shown(key.schema, value), origin }];
  });
}

/** Whether a key is in a group that may be left out, and is: its defaults are then nobody's. */
function isLeftOut(settings: SettingsTree, path: Path): boolean {
  return path.some((_, index) => {
    const group = schemaAt(path.slice(0, index));
    return group !== undefined && peel(group).optional && settings.get(path.slice(0, index)) === undefined;
  });
}
