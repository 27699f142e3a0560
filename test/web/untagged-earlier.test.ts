// A manifest that a retention rule keeps, because a tag pointed to it before, is shown as kept by that tag.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { readPage, textOf } from "./page.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-earlier-"));
after(() => rm(folder, { recursive: true, force: true }));
const policy = join(folder, "policy.json");
await writeFile(policy, JSON.stringify({ retention: [{ tags: "latest", keepPrevious: 1 }] }));
const { client } = await serve({ REGISTRY_TAGS_POLICY: policy });

test("what a tag pointed to before is kept by the rule, and no earlier one", async () => {
  const name = newName("team/app");
  const [oldest, older, current] = [image(), image(), image()];
  for (const one of [oldest, older, current]) await client.pushImage(name, one, "latest");
  const page = await readPage(client, `/ui/r/${name}/_untagged`);
  const rows = page
    .split("<tr>")
    .slice(2)
    .map((row) => row.split("</tr>")[0] ?? "");
  const rowOf = (digest: string) => textOf(rows.find((row) => row.includes(digest)) ?? "");
  assert.match(rowOf(older.digest), /a retention rule: latest pointed to it before$/);
  assert.match(rowOf(oldest.digest), /nothing$/);
  assert.equal(rows.length, 2);
});
