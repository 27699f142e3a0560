/**
 * Reads the settings of a server from a YAML file and from environment variables, which override it. Reports all errors at
 * once.
 */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { cutText } from "../lib/cut-text.js";
import { applyRules, type Notice, type Ruled } from "./apply-rules.js";
import { applyVariables } from "./environment.js";
import { ConfigError, type Origin, type Problem } from "./errors.js";
import { below, keysOf, peel, shown } from "./keys.js";
import { applyOpenTelemetry } from "./open-telemetry.js";
import { type Config, schema } from "./schema.js";
import { isNames, keyOf, type Path, SettingsTree, type Tree } from "./tree.js";
import { problemsOf, readYaml } from "./yaml.js";

export type { Config } from "./schema.js";

/** A setting in effect, with secrets hidden. */
export interface Effective {
  readonly path: Path;
  readonly value: Tree;
  readonly origin: Origin;
}

export interface Settings {
  readonly config: Config;
  /** Settings that were accepted but change nothing. */
  readonly notices: readonly Notice[];
  /** Computed at each access. */
  readonly effective: readonly Effective[];
}

export interface Sources {
  readonly variables: NodeJS.ProcessEnv;
  readonly file?: { readonly name: string; readonly text: string } | undefined;
  /** Overrides the setting `ignoreunsupported`. */
  readonly ignoreUnsupported?: boolean | undefined;
  /** Removes what is of no interest from the settings of the file. */
  readonly prune?: (settings: SettingsTree) => void;
}

/** Reads `options.file`, or else the file in `REGISTRY_CONFIGURATION_PATH`. Rejects with `ConfigError`. */
export async function loadSettings(
  variables: NodeJS.ProcessEnv,
  options: { readonly file?: string | undefined; readonly ignoreUnsupported?: boolean | undefined } = {},
): Promise<Settings> {
  const name = options.file ?? variables.REGISTRY_CONFIGURATION_PATH;
  const { ignoreUnsupported } = options;
  if (name === undefined) return readSettings({ variables, ignoreUnsupported });
  return readSettings({ variables, file: { name, text: await readText(name) }, ignoreUnsupported });
}

/** Messages for a settings file that cannot be read, by error code. */
const unreadable: ReadonlyMap<string, string> = new Map([
  [
    "ENOENT",
    "there is no such file; give the path of a settings file, or none to use only variables and defaults",
  ],
  ["EISDIR", "this is a directory; give the path of a settings file"],
  ["EACCES", "this user may not read the file; change its owner or mode"],
]);

/** Rejects with `ConfigError`. */
export async function readText(file: string): Promise<string> {
  const refuse = (message: string): never => {
    throw ConfigError.of([{ key: "", origin: { from: "file", file, line: undefined }, message }]);
  };
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) =>
    refuse(unreadable.get(error.code ?? "") ?? error.message),
  );
  if (!isUtf8(bytes)) refuse("the file is not UTF-8 text; save it as UTF-8");
  return bytes.toString();
}

/** Throws `ConfigError`. */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  return readSettings({ variables }).config;
}

/** Throws `ConfigError`. */
export function readSettings({ variables, file, ignoreUnsupported, prune }: Sources): Settings {
  const settings = new SettingsTree();
  const problems: Problem[] = [];
  if (file !== undefined) problems.push(...applyFile(settings, file.name, file.text));
  prune?.(settings);
  const applied = applyVariables(settings, variables);
  problems.push(...applied.problems);
  applyOpenTelemetry(settings, variables);
  const ignores = ignoreUnsupported ?? settings.get(["ignoreunsupported"]) === "true";
  const engine = engineWithoutBucket(settings, ignores);
  const ruled = applyRules(settings, ignores);
  problems.push(...ruled.problems, ...engine.problems);
  const drivers = chooseStorage(settings);
  problems.push(...drivers.problems);
  // Once in a process: compiling functions for it would take longer.
  const parsed = schema.safeParse(settings.root, { jitless: true });
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => problemOf(settings, issue)));
  const notices = [...applied.notices, ...ruled.notices, ...engine.notices, ...drivers.notices];
  if (problems.length > 0 || !parsed.success) throw ConfigError.of(problems, notices);
  return {
    config: parsed.data,
    notices: [...notices, ...withoutEffect(parsed.data, settings)],
    // Only some commands, and several processes, need it.
    get effective() {
      return effectiveOf(settings);
    },
  };
}

/** CNCF distribution caches in Redis beside any storage. Here it connects nodes, and a directory belongs to one process. */
function engineWithoutBucket(settings: SettingsTree, ignores: boolean): Ruled {
  const path = ["redis"];
  if (settings.get(path) === undefined || settings.get(["storage", "s3"]) !== undefined)
    return { problems: [], notices: [] };
  settings.remove(path);
  const told = { key: keyOf(path), origin: settings.originOf(path) };
  const why = "it connects nodes that share a bucket (storage.s3), but a directory belongs to one process";
  return ignores
    ? { problems: [], notices: [{ ...told, message: `ignored: ${why}` }] }
    : { problems: [{ ...told, message: `not supported: ${why}` }], notices: [] };
}

/**
 * Exactly one storage may be set, as in CNCF distribution. A variable that names a directory is ignored beside a bucket: images
 * and units set it as a default.
 */
function chooseStorage(settings: SettingsTree): Ruled {
  const [s3, filesystem] = [
    ["storage", "s3"],
    ["storage", "filesystem"],
  ];
  const directory = settings.get(filesystem);
  if (settings.get(s3) === undefined || !isNames(directory)) return { problems: [], notices: [] };
  const origins = Object.keys(directory).map((name) => settings.originOf([...filesystem, name]));
  const told = { key: keyOf(filesystem), origin: settings.originOf(filesystem) };
  if (origins.every(({ from }) => from === "variable"))
    return { problems: [], notices: [{ ...told, message: "changes nothing: storage.s3 is set" }] };
  const message =
    "storage.s3 is set, too, but there is one storage only; remove one, or set REGISTRY_STORAGE=s3 to replace the whole storage of the file";
  return { problems: [{ ...told, message }], notices: [] };
}

/** Reports settings that have no effect without another one. */
function withoutEffect({ auth, http, storage }: Config, settings: SettingsTree): Notice[] {
  const notices: Notice[] = [];
  const tell = (path: Path, message: string) => {
    if (settings.get(path) !== undefined)
      notices.push({ key: keyOf(path), origin: settings.originOf(path), message });
  };
  if (!http.relativeurls && http.host === undefined)
    tell(
      ["http", "relativeurls"],
      "Location is absolute only for clients that are known to use HTTPS; set http.host to make it absolute for all",
    );
  if (auth.oidc !== undefined && http.ui.enabled !== "true")
    tell(["auth", "oidc"], "changes nothing without the web page; set http.ui.enabled to true");
  if (storage.s3 === undefined)
    tell(["storage", "redirect", "disable"], "changes nothing: Gantry sends blobs in a directory itself");
  else if (!storage.s3.encrypt)
    tell(["storage", "s3", "keyid"], "changes nothing unless storage.s3.encrypt is true");
  return notices;
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
  // zod reports a wrong name in a record as a nested issue.
  const message = (issue.code === "invalid_key" ? issue.issues[0] : issue)?.message ?? issue.message;
  return {
    key: keyOf(names),
    origin: settings.originOf(names),
    value: given === undefined ? undefined : cutText(JSON.stringify(shown(schemaAt(names), given)), shownMax),
    message: given === undefined ? missing(message) : message,
  };
}

/** Characters of a wrong value to show: it may be half of the file. */
const shownMax = 100;

/** zod's own messages for a missing value add nothing to "is missing". */
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

/** Reports whether a key belongs to an optional group that is absent, so that its defaults do not apply. */
function isLeftOut(settings: SettingsTree, path: Path): boolean {
  return path.some((_, index) => {
    const group = schemaAt(path.slice(0, index));
    return group !== undefined && peel(group).optional && settings.get(path.slice(0, index)) === undefined;
  });
}
