// Each command as a process of its own: its exit code and what it writes to which stream. What commands do is tested
// within the test's process (test/support/inside.ts).

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { gantryProcess } from "../support/command.js";
import { image } from "../support/content.js";
import { startInside } from "../support/inside.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-process-"));
after(() => rm(folder, { recursive: true, force: true }));
const root = join(folder, "store");
const layout = join(folder, "layout");
{
  await using server = await startInside({}, root);
  await new Client(server.url).pushImage("team/app", image(), "v1");
}

/** In their order, on one store. */
for (const [words, said] of [
  ["stats", /1 repository, 2 distinct contents/],
  ["verify", /0 problems, 0 tags affected/],
  ["gc", /There is nothing to remove\./],
  [`export team/app:v1 ${layout}`, /1 reference: 3 contents written/],
  [`import --from-oci ${layout} --as copy/app`, /1 manifest and 1 tag imported/],
  ["token create ci --scope **:pull", /^gantry_\S{43}\n/],
  ["token list", /^robot-ci /m],
  ["token revoke ci", /robot-ci is revoked/],
  ["config check", /A server can start with these settings\./],
  ["config show", /^ +rootdirectory: .*store # REGISTRY_STORAGE/m],
  ["config reference", /^# Settings\n/],
  ["version", /^gantry \d/],
  ["completion bash", /complete -/],
  ["--help", /^Usage: gantry COMMAND/],
] as const)
  test(`gantry ${words.replace(folder, "FOLDER")} ends with 0 and writes to standard output`, async () => {
    const { code, stdout, stderr } = await gantryProcess(root, words.split(" "));
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, said);
  });

for (const [words, expected, said] of [
  ["frobnicate", 2, /^gantry: there is no command frobnicate/],
  ["config check --config none.yml", 2, /^gantry: these settings are wrong:\n.*there is no such file/],
  ["serve none.yml", 2, /^gantry: these settings are wrong:\n.*there is no such file/],
  ["export none:v1 layout", 1, /^gantry: there is no store in/],
] as const)
  test(`gantry ${words} ends with ${expected} and writes to standard error`, async () => {
    const { code, stdout, stderr } = await gantryProcess(folder, words.split(" "));
    assert.deepEqual([code, stdout], [expected, ""]);
    assert.match(stderr, said);
  });
