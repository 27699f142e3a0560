// The command line itself: help, versions, colours and completion, through the real program.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { commands } from "../../src/commands/commands.js";
import { cli } from "../support/cli.js";
import { gantry, gantryProcess } from "../support/command.js";

const run = promisify(execFile);

const names = [
  ...commands.map(({ name }) => name),
  "serve",
  "config check",
  "config show",
  "config reference",
  "version",
];

for (const name of [...names, "completion"])
  test(`${name} --help shows its usage, examples and exit codes`, async () => {
    const { code, stdout, stderr } = await gantry("/nowhere", [...name.split(" "), "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^Usage: gantry ${name} `));
    assert.match(stdout, new RegExp(`^Examples:\\n.*gantry ${name}`, "m"));
    assert.match(stdout, /^Exit codes: 0/m);
    assert.ok(
      stdout.split("\n").every((line) => line.length <= 110),
      "no line is too long to read",
    );
  });

for (const name of names.filter((one) => one !== "serve"))
  test(`${name} takes --json`, async () => {
    const { stdout } = await gantry("/nowhere", [...name.split(" "), "--help"]);
    assert.match(stdout, /--json/);
  });

test("the list of commands has each command, and a group those in it", async () => {
  const { stdout } = await gantry("/nowhere", ["--help"]);
  for (const name of names) assert.match(stdout, new RegExp(`^  ${name.split(" ")[0]} .*\\S`, "m"));
  const { code, stdout: nothing, stderr } = await gantry("/nowhere", ["config"]);
  assert.deepEqual([code, nothing], [2, ""]);
  for (const name of ["check", "show", "reference"]) assert.match(stderr, new RegExp(`^  ${name} `, "m"));
});

for (const [typed, meant] of [
  [["help"], ["--help"]],
  [
    ["help", "gc"],
    ["gc", "--help"],
  ],
  [
    ["help", "config", "check"],
    ["config", "check", "--help"],
  ],
  [
    ["config", "help", "check"],
    ["config", "check", "--help"],
  ],
  [
    ["config", "help"],
    ["config", "--help"],
  ],
] as const)
  test(`gantry ${typed.join(" ")} is gantry ${meant.join(" ")}`, async () => {
    const { code, stdout } = await gantry("/nowhere", typed);
    assert.equal(code, 0);
    assert.equal(stdout, (await gantry("/nowhere", meant)).stdout);
  });

for (const [parameters, said] of [
  [["sattS"], /there is no command sattS/],
  [["stat"], /there is no command stat\n\(Did you mean stats\?\)\nTry gantry --help/],
  [["config", "shov"], /there is no command shov\n\(Did you mean show\?\)\nTry gantry config --help/],
  [["gc", "--delte"], /unknown option '--delte'\n\(Did you mean --delete\?\)\nTry gantry gc --help/],
  [["gc", "--untagged"], /option '--untagged <TIME>' argument missing/],
  [["stats", "more"], /too many arguments/],
  [["help", "sattS"], /there is no command sattS/],
  [["completion", "nu"], /no completion for nu; supported shells are bash/],
] as const)
  test(`gantry ${parameters.join(" ")} is wrong usage`, async () => {
    const { code, stdout, stderr } = await gantry("/nowhere", parameters);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, said);
  });

test("version prints the versions of the package and Node, and the build of uWebSockets.js", async () => {
  const {
    gantry: own,
    node,
    uWebSockets,
  } = (await gantry("/nowhere", ["version", "--json"])).json<{
    gantry: string;
    node: string;
    uWebSockets: { build: string };
  }>();
  assert.equal(node, process.versions.node);
  assert.match(uWebSockets.build, new RegExp(`_${process.versions.modules}$`));
  assert.match(
    (await gantry("/nowhere", ["version"])).stdout,
    new RegExp(`^gantry ${own}, Node ${node}, uWeb`),
  );
  assert.equal((await gantry("/nowhere", ["--version"])).stdout, `${own}\n`);
});

const colour = "\u001b[";
for (const [name, settings, parameters, colours] of [
  ["without a terminal, none", {}, [], false],
  ["FORCE_COLOR: colours", { FORCE_COLOR: "1" }, [], true],
  ["FORCE_COLOR=0: none", { FORCE_COLOR: "0" }, [], false],
  ["NO_COLOR is over FORCE_COLOR", { FORCE_COLOR: "1", NO_COLOR: "1" }, [], false],
  ["--no-color is over FORCE_COLOR", { FORCE_COLOR: "1" }, ["--no-color"], false],
  ["an empty NO_COLOR has no effect", { FORCE_COLOR: "1", NO_COLOR: "" }, [], true],
] as const)
  test(`colours: ${name}`, async () => {
    const environment = { NO_COLOR: "", FORCE_COLOR: "0", ...settings };
    const help = await gantry("/nowhere", ["gc", "--help", ...parameters], environment);
    const wrong = await gantry("/nowhere", ["frobnicate", ...parameters], environment);
    assert.deepEqual([help.stdout.includes(colour), wrong.stderr.includes(colour)], [colours, colours]);
  });

/** Returns the completions that bash offers after `line`. */
async function offered(line: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-completion-"));
  after(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "gantry");
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`);
  await chmod(program, 0o755);
  const words = line.split(" ");
  const script = `
    source <(gantry completion bash)
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
    COMP_CWORD=${words.length - 1}
    COMP_LINE='${line}'
    COMP_POINT=${line.length}
    spec=$(complete -p gantry) && handler=\${spec##*-F } && handler=\${handler%% *}
    $handler gantry
    printf '%s\\n' "\${COMPREPLY[@]}"
  `;
  const { stdout } = await run("bash", ["--norc", "-c", script], {
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
  });
  return stdout
    .split("\n")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

for (const [line, some] of [
  ["gantry ", ["serve", "gc", "verify", "stats", "config", "version", "completion"]],
  ["gantry ver", ["verify", "version"]],
  ["gantry config ", ["check", "show", "reference"]],
  ["gantry gc --d", ["--delete"]],
  ["gantry config show --", ["--json", "--config"]],
  ["gantry completion ", ["bash", "zsh", "fish"]],
] as const)
  test(`bash completes "${line}"`, async () => {
    const words = await offered(line);
    for (const word of some) assert.ok(words.includes(word), `${word} in ${words.join(" ")}`);
    if (!line.endsWith(" ")) {
      const begun = line.split(" ").at(-1) ?? "";
      assert.ok(
        words.every((word) => word.startsWith(begun)),
        words.join(" "),
      );
    }
  });

for (const shell of ["zsh", "fish"])
  test(`there is a script for ${shell}`, async () => {
    const { code, stdout } = await gantryProcess("/nowhere", ["completion", shell]);
    assert.equal(code, 0);
    assert.match(stdout, /gantry complete -- /);
  });
