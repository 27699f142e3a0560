// The documents keep their promises: some test runs each command, Gantry accepts each example of a file, each quoted message
// exists, and each link has a target. `npm run documents` runs the commands.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { commandsOf, type Example, examplesOf, pages, readPage } from "../documents/page.js";
import { checkout } from "../packaging/pack.js";
import { gantry } from "../support/command.js";
import { LoginFiles } from "../support/login.js";
import { storedBelow } from "../support/store.js";
import { newAuthority } from "../support/tls.js";

const all = await pages();
const examples = (await Promise.all(all.map(examplesOf))).flat();
const titleOf = ({ page, line }: Example) => `${page}:${line}`;

/** Files named by the examples of settings, in a folder that replaces /etc/gantry. */
const files = await LoginFiles.make();
const authority = await newAuthority("authority");
const { pem, keyPem } = await authority.issue("registry.example.com");
await mkdir(join(files.folder, "tls"));
await files.users({ alice: "secret" });
await files.policy("rules: []\n");
for (const [name, text] of [
  ["issuer.pem", authority.pem],
  ["tls/fullchain.pem", pem],
  ["tls/privkey.pem", keyPem],
  ["oidc-secret", "secret"],
] as const)
  await files.write(name, text);

async function check(settings: string): Promise<void> {
  const file = await files.write("settings.yaml", settings.replaceAll("/etc/gantry", files.folder));
  const { code, stderr } = await gantry(files.folder, ["config", "check", "--offline", "--config", file]);
  assert.equal(code, 0, stderr);
}

/** The kind of an example of a file, by its first line; settings if that does not say. */
const kinds: Readonly<Record<string, (text: string) => unknown>> = {
  "# settings.yaml": check,
  "# policy.yaml": async (text) =>
    check(`auth: { policy: ${await files.write("example.yaml", text)}, robots: { enabled: true } }`),
  "# workflow": parse,
  "# .gitlab-ci.yml": parse,
};

for (const example of examples.filter(({ test: by }) => by === undefined)) {
  if (example.language === "yaml")
    test(`the file of ${titleOf(example)} is accepted`, async () => {
      const [first = ""] = example.text.split("\n");
      const take = first.startsWith("# ") ? kinds[first] : check;
      assert.ok(take !== undefined, `"${first}" says what it is; the kinds are ${Object.keys(kinds).join()}`);
      await take(example.text);
    });
  else if (example.language === "json")
    test(`the policy of ${titleOf(example)} is accepted`, async () => {
      await check(`tags: { policy: ${await files.write("tags.json", example.text)} }`);
    });
  else
    test(`the ${example.language} of ${titleOf(example)} names the test that runs it`, () => {
      assert.equal(example.language, "sh", "blocks other than sh name it in a comment: <!-- test: FILE -->");
    });
}

for (const example of examples.filter(({ test: by }) => by !== undefined && by !== "server"))
  test(`the test that ${titleOf(example)} names has its commands`, async () => {
    const by = await readFile(join(checkout, example.test ?? ""), "utf8");
    // It reads them from the page, or contains them.
    const named = by.includes(example.page) || by.includes(example.page.replace("docs/", ""));
    for (const command of commandsOf(example).flatMap((line) => line.split(" && ")))
      assert.ok(named || by.includes(command), `${example.test} runs "${command}"`);
  });

const isCommand = /^(?:gantry|docker|ss|df|iostat|chown|ulimit) |^(?:client_max|proxy_)|^this type$/;

test("quoted messages exist", async () => {
  const sources = (await storedBelow(join(checkout, "src"))).filter((path) => path.endsWith(".ts"));
  const texts = await Promise.all(sources.map((path) => readFile(join(checkout, "src", path), "utf8")));
  // In source code it may span several lines, with interpolated values in the middle.
  const said = texts.join("\n").replaceAll(/" \+\s+["`]|\\(?=`)/g, "");
  const troubles = (await readPage("docs/operating.md"))
    .split("\n## ")
    .find((text) => text.startsWith("Troubleshooting"));
  const quoted = [...(troubles ?? "").matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
  const messages = quoted.filter((text) => text.includes(" ") && !isCommand.test(text));
  assert.ok(messages.length > 30, `${messages.length} messages`);
  assert.deepEqual(
    messages.filter((message) => !said.includes(message)),
    [],
  );
});

/** As GitHub derives it from a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");

for (const page of [...all, "bench/README.md", "docs/decisions/README.md"])
  test(`the links of ${page} have targets`, async () => {
    const text = await readPage(page);
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      assert.ok(existsSync(join(checkout, file)), `${target}: there is no ${file}`);
      if (anchor === undefined) continue;
      const headings = [...(await readPage(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
        anchorOf(heading),
      );
      assert.ok(headings.includes(anchor), `${target}: no such heading`);
    }
  });

test("the README leads to every guide", async () => {
  const readme = await readPage("README.md");
  for (const page of all.slice(1)) assert.ok(readme.includes(`](${page})`), page);
});

test("every decision has its line in their index", async () => {
  const index = await readPage("docs/decisions/README.md");
  for (const name of await readdir(join(checkout, "docs", "decisions"))) {
    const [, title] = /^# \d+[.:] (.+)$/m.exec(await readPage(`docs/decisions/${name}`)) ?? [];
    const number = Number.parseInt(name, 10);
    if (name !== "README.md") assert.ok(index.includes(`| [${number}](${name}) | ${title} |`), name);
  }
});
