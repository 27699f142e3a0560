/** Renders the reference of all settings as a Markdown page, from the schema and the rules for CNCF distribution's settings. */
import { type Rule, rules } from "./distribution.js";
import { variableOf } from "./environment.js";
import { below, type Key, keysOf, peel } from "./keys.js";
import { schema } from "./schema.js";
import { keyOf, type Tree } from "./tree.js";

const introduction = `# Settings

<!-- Made from src/config by \`npm run docs:config\`: change it there. -->

Gantry reads settings from a YAML file (\`gantry serve --config FILE\`, or the variable \`REGISTRY_CONFIGURATION_PATH\`) and
from environment variables, which override the file. Every setting has a default, so you need neither. Keys have the names
that CNCF distribution uses for the same settings.

\`\`\`yaml
version: 0.1
http:
  addr: :5000
storage:
  filesystem:
    rootdirectory: /var/lib/registry
\`\`\`

The variable for a key is \`REGISTRY_\` followed by the path of the key in upper case, joined by \`_\`:
\`REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\`. You can set a list, a map or a whole group as YAML or JSON in one variable
(\`REGISTRY_LOG='{level: debug}'\`), or each element in its own variable, with the index as the name of a list element.

Times are numbers with a unit, \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`: \`90s\`, \`1h30m\`, \`30d\`. Switches are \`true\` or
\`false\`.

\`gantry config check\` reports every error. \`gantry config show\` prints the settings in effect and the source of each
value. An unknown key is an error. An unknown variable is an error if it looks like a misspelled setting or concerns
logins, TLS, limits, tags or the audit log; otherwise it is ignored with a notice.
`;

const rulesIntroduction = `
## Unsupported settings of CNCF distribution

Gantry refuses these settings with the reason given. \`--ignore-unsupported\`, or \`ignoreunsupported: true\`, ignores them
with a notice at startup. It does not ignore those in **bold**, because the registry would then be more open than its
settings claim.
`;

export function renderReference(): string {
  const keys = keysOf(schema);
  const names = [...new Set(keys.map(({ path }) => path[0] ?? ""))];
  const general = keys.filter(({ path }) => path.length === 1);
  const groups = names.filter((name) => keys.some(({ path }) => path.length > 1 && path[0] === name));
  return [
    introduction,
    "\n## General\n\n",
    tableOf(general),
    ...groups.map((name) => {
      const { description } = peel(below(schema, name) ?? schema);
      const about = description === undefined ? "" : `${description}\n\n`;
      return `\n## \`${name}\`\n\n${about}${tableOf(keys.filter(({ path }) => path.length > 1 && path[0] === name))}`;
    }),
    rulesIntroduction,
    ruleTable("Refused", "refuse"),
    ruleTable("Accepted with the given value, which Gantry implements anyway; refused with others", "accept"),
    ruleTable("Accepted with a notice at startup, because they change nothing", "note"),
  ].join("");
}

function tableOf(keys: readonly Key[]): string {
  const rows = keys.map(
    (key) =>
      `| \`${keyOf(key.path)}\`<br>\`${variableOf(key.path)}\` | ${defaultOf(key)} | ${cell(key.description)} |\n`,
  );
  return `| key and variable | default | what it does |\n| --- | --- | --- |\n${rows.join("")}`;
}

function defaultOf({ defaultNote, defaultValue, schema: own }: Key): string {
  if (defaultNote !== undefined) return defaultNote;
  if (defaultValue === undefined && !peel(own).optional) return "required if its group is set";
  return defaultValue === undefined || isEmpty(defaultValue) ? "none" : `\`${text(defaultValue)}\``;
}

function isEmpty(tree: Tree): boolean {
  return typeof tree === "object" && tree !== null && Object.keys(tree).length === 0;
}

function text(tree: Tree): string {
  return typeof tree === "string" ? tree : JSON.stringify(tree);
}

function ruleTable(title: string, does: Rule["does"]): string {
  const rows = Object.entries(rules)
    .filter(([, rule]) => rule.does === does)
    .map(([key, rule]) => `| ${nameOf(key, rule)}${valuesOf(rule)} | ${cell(rule.why)} |\n`);
  return `\n### ${title}\n\n| key | why |\n| --- | --- |\n${rows.join("")}`;
}

function nameOf(key: string, rule: Rule): string {
  return rule.does !== "note" && rule.firm === true ? `**\`${key}\`**` : `\`${key}\``;
}

function valuesOf(rule: Rule): string {
  return rule.does === "accept" ? `: ${rule.values.map((value) => `\`${value}\``).join(", ")}` : "";
}

function cell(words: string): string {
  return words.replaceAll("|", "\\|");
}
