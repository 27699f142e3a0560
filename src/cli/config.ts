/** `gantry config check`, `show` and `reference`: what the settings are, before a server starts with them. */
import type { Effective, Settings } from "../config/config.js";
import { variableOf } from "../config/environment.js";
import { ConfigError, formatOrigin, formatProblem } from "../config/errors.js";
import { keysOf } from "../config/keys.js";
import { schema } from "../config/schema.js";
import type { Entry } from "./entry.js";
import { complain, jsonFlag, print } from "./output.js";
import { settingsFlags, settingsOf } from "./settings.js";

const flags = { ...jsonFlag, ...settingsFlags };

export const configCheck: Entry = {
  line: {
    name: "config check",
    summary: "tell all that is wrong with the settings",
    help: `Reads the settings as \`gantry serve\` would, with the files that they name, and tells all that is wrong
with them, and what they have that changes nothing. Ends with 0 where a server can start with them, else 2.`,
    flags,
    examples: [
      { command: "gantry config check --config config.yml", what: "before a server gets it" },
      { command: "gantry config check --json", what: "the environment's, for a program" },
    ],
  },
  run: async ({ values }) => {
    try {
      const settings = await settingsOf(values);
      const { checkFiles } = await import("./check-files.js");
      await checkFiles(settings);
      const { notices } = settings;
      const lines = [...notices.map(formatProblem), "A server can start with these settings."];
      print(values, { report: { fine: true, problems: [], notices }, text: lines.join("\n") });
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { problems, notices } = error;
      if (values.json !== true) {
        for (const notice of notices) complain(`setting ${formatProblem(notice)}`);
        throw error;
      }
      print(values, { report: { fine: false, problems, notices }, text: "" });
      return 2;
    }
  },
};

export const configShow: Entry = {
  line: {
    name: "config show",
    summary: "show the settings that are in effect, and where each came from",
    help: `Shows every setting as a server would have it, as YAML that is a settings file itself, with where it
came from behind each: default, the line of the file, or the variable. Secrets are hidden.`,
    flags,
    examples: [
      { command: "gantry config show --config config.yml", what: "as YAML" },
      {
        command: `gantry config show --json | jq '.["http.addr"].value'`,
        what: "one of them, for a program",
      },
    ],
  },
  run: async ({ values }) => {
    const { effective } = await settingsOf(values);
    print(values, { report: reportOf(effective), text: await yamlOf(effective) });
    return 0;
  },
};

export const configReference: Entry = {
  line: {
    name: "config reference",
    summary: "print what settings there are",
    help: "Prints the reference of all settings as a Markdown page: what each does, its default and its variable.",
    flags: jsonFlag,
    examples: [{ command: "gantry config reference | less", what: "to read it" }],
  },
  run: async ({ values }) => {
    const report = keysOf(schema).map(({ path, description, defaultValue }) => ({
      key: path.join("."),
      variable: variableOf(path),
      default: defaultValue,
      description,
    }));
    const { renderReference } = await import("../config/reference.js");
    print(values, { report, text: renderReference().trimEnd() });
    return 0;
  },
};

/** By key. */
function reportOf(effective: Settings["effective"]): Record<string, unknown> {
  return Object.fromEntries(
    effective.map(({ path, value, origin }) => [path.join("."), { value, ...origin }]),
  );
}

async function yamlOf(effective: readonly Effective[]): Promise<string> {
  const { Document, isScalar } = await import("yaml");
  const document = new Document({}, { schema: "failsafe" });
  for (const { path, value, origin } of effective) {
    const node = document.createNode(value);
    const comment = ` ${formatOrigin(origin) ?? "default"}`;
    // Behind a line, above several.
    if (isScalar(node)) node.comment = comment;
    else node.commentBefore = comment;
    document.setIn(path, node);
  }
  return document.toString({ lineWidth: 0 }).trimEnd();
}
