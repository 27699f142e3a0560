/** The reference of all settings as a Markdown page, made from the schema and from CNCF distribution's rules. */
import { type Rule, rules } from "./distribution.js";
import { variableOf } from "./environment.js";
import { below, type Key, keysOf, peel } from "./keys.js";
import { schema } from "./schema.js";
import { keyOf, type Tree } from "./tree.js";

const introduction = `# Settings

<!-- Made from src/config by \`npm run docs:config\`: change it there. -->

Settings come from a YAML file (\`gantry serve --config FILE\`, or the variable \`REGISTRY_CONFIGURATION_PATH\`),
and from variables of the environment, which are over the file. All have defaults: neither is needed. Keys are
CNCF distribution's where the thing is the same.

\`\`\`yaml
version: 0.1
http:
  addr: :5000
storage:
  filesystem:
    rootdirectory: /var/lib/registry
\`\`\`

A variable is called \`REGISTRY_\` and then the names on the way to the key in upper case, joined by \`_\`:
\`REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\`. A list, names of one's own choice, and a whole group may be given
as YAML or JSON in one variable (\`REGISTRY_LOG='{level: debug}'\`) or one by one, the index being the name of a
list's element.

Times are numbers with a unit, \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`: \`90s\`, \`1h30m\`, \`30d\`. Switches are \`true\` or
\`false\`.

\`gantry config check\` tells all that is wrong, \`gantry config show\` what is in effect and where each value came
from. An unknown key or variable is an error.
`;

const rulesIntroduction = `
## Settings of CNCF distribution's that are none of Gantry's

Each is refused by name, with the reason. \`--ignore-unsupported\`, or \`ignoreunsupported: true\`, passes over
those that are refused, and tells so at the start; but not over those in **bold**, without which a registry
would be more open than its settings say.
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
    ruleTable("Accepted where it says what Gantry does anyway, else refused", "accept"),
    ruleTable("Accepted, and told of at the start, since it changes nothing", "note"),
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
  if (defaultValue === undefined && !peel(own).optional) return "needed, where its group is given";
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
