// The history of tags on the command line, and going back in it: with a server that holds the store, and without one.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";
import type { ShownEntry } from "../support/tag-history.js";

const inside = await serveInside();

async function newStore(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "gantry-tags-"));
  after(() => rm(root, { recursive: true, force: true }));
  return root;
}

for (const online of [true, false]) {
  test(`a history is shown and gone back in ${online ? "through the server" : "without a server"}`, async () => {
    const root = online ? inside.place : await newStore();
    const server = online ? undefined : await startInside({}, root);
    const name = newName();
    const [one, two] = [image(), image()];
    const client = new Client(server?.url ?? inside.url);
    await client.pushImage(name, one, "latest");
    await client.pushImage(name, two, "latest");
    await server?.stop();

    const shown = await gantry(root, ["tags", "history", `${name}:latest`]);
    assert.equal(shown.code, 0, shown.stderr);
    const [head = "", ...rows] = shown.stdout.trimEnd().split("\n");
    assert.match(head, /^TARGET +SINCE \(UTC\) +BY$/);
    assert.match(rows[0] ?? "", new RegExp(`^${two.digest} +2\\d{3}-\\S+ \\S+ +anonymous +now$`));
    assert.match(rows[1] ?? "", new RegExp(`^${one.digest} +2\\d{3}-\\S+ \\S+ +anonymous$`));

    const back = await gantry(root, ["tags", "rollback", `${name}:latest`, one.digest]);
    assert.deepEqual([back.code, back.stdout], [0, `${name}:latest points to ${one.digest}\n`], back.stderr);
    const { entries } = (await gantry(root, ["tags", "history", `${name}:latest`, "--json"])).json<{
      entries: ShownEntry[];
    }>();
    assert.deepEqual(
      entries.map(({ digest, by, current }) => [digest, by, current]),
      [
        [one.digest, "operator", true],
        [two.digest, "anonymous", false],
        [one.digest, "anonymous", false],
      ],
    );
    if (online) assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(one.bytes));

    const short = two.digest.slice(0, "sha256:".length + 12);
    const forth = await gantry(root, ["tags", "rollback", `${name}:latest`, short]);
    assert.deepEqual(
      [forth.code, forth.stdout],
      [0, `${name}:latest points to ${two.digest}\n`],
      forth.stderr,
    );

    const unknown = await gantry(root, ["tags", "rollback", `${name}:latest`, image().digest]);
    assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
    assert.match(unknown.stderr, /the history of the tag latest does not have this manifest/);
    const missing = await gantry(root, ["tags", "history", `${name}:missing`]);
    assert.deepEqual([missing.code, missing.stdout], [1, ""]);
    assert.match(missing.stderr, /there is no such tag/);
  });
}

test("wrong usage is explained", async () => {
  for (const [words, why] of [
    [["history", "no-tag"], /no-tag is not a tag of a repository: write NAME:TAG/],
    [["history", "Upper/case:latest"], /is not a tag of a repository/],
    [["rollback", "team/app:latest", "latest"], /latest is not a digest: write sha256: and at least 12/],
    [["rollback", "team/app:latest", "sha256:85238c189f0"], /is not a digest/],
    [["rollback", "team/app:latest", `sha256:${"0".repeat(65)}`], /is not a digest/],
  ] as const) {
    const ran = await gantry(inside.place, ["tags", ...words]);
    assert.deepEqual([ran.code, ran.stdout], [2, ""]);
    assert.match(ran.stderr, why);
  }
});
