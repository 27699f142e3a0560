/**
 * `gantry import --from-store` between a folder and a bucket, both ways, with content that real clients have pushed and that
 * they pull afterwards.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { needs, temporaryFolder } from "../clients/support.js";
import { Remote } from "../clients/verify.js";
import { commandsOf, exampleOf } from "../documents/page.js";
import { gantryProcess, type Ran } from "../support/command.js";
import { startGantry } from "../support/gantry.js";
import { assertServed, fill, type Pushed } from "../support/moved-content.js";
import { bucketFile, startS3Node } from "../support/s3-node.js";
import { needsMinio, needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";
import { stateOfBucket, stateOfFolder } from "../support/store-state.js";

const skip = needs("crane", "oras");

function reportOf(ran: Ran): ImportReport {
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`);
  return ran.json<ImportReport>();
}

/** Writes the settings files of the guide. */
async function writeSettings(folder: string, server: S3Server): Promise<void> {
  await bucketFile(server, join(folder, "bucket.yml"));
  const storage = { filesystem: { rootdirectory: join(folder, "back") } };
  await writeFile(join(folder, "folder.yml"), JSON.stringify({ version: "0.1", storage }));
}

/** The commands of docs/migrating.md with the test's paths, as words for the program. */
async function commandsIn(folder: string): Promise<string[][]> {
  const text = await exampleOf("docs/migrating.md", "Between a folder and a bucket", "gantry import");
  return commandsOf({ text }).map((command) => {
    const [program, ...words] = command
      .replace("/srv/gantry", join(folder, "old"))
      .replaceAll(/\b(\w+\.yml)/g, `${folder}/$1`)
      .split(" ");
    assert.equal(program, "gantry");
    return [...words, "--json"];
  });
}

for (const [engine, missing] of [
  ["versitygw", needsVersitygw],
  ["minio", needsMinio],
] as const)
  test(`a store moves from a folder into a bucket of ${engine} and back`, {
    skip: skip || missing,
  }, async (context) => {
    await using folder = await temporaryFolder();
    await using s3 = await startS3Server(engine);
    const [root, backRoot] = [join(folder.path, "old"), join(folder.path, "back")];
    let pushed: Pushed;
    let robot: string;
    {
      await using server = await startGantry({}, root);
      pushed = await fill(folder.path, server.host);
      const made = await gantryProcess(root, ["token", "create", "ci", "--scope", "**:pull", "--json"]);
      robot = `robot-ci:${made.json<{ key: string }>().key}`;
    }
    const before = await stateOfFolder(root);
    assert.notEqual(before["team/app"]?.tags.v1?.pulledAt, undefined, "it was pulled");
    await writeSettings(folder.path, s3);
    const [into = [], back = [], ...others] = await commandsIn(folder.path);
    assert.deepEqual(others, []);

    await context.test("a dry run stores no content", async () => {
      const dry = reportOf(await gantryProcess(root, [...into, "--dry-run"]));
      assert.deepEqual([dry.manifests.imported, dry.robots.imported], [12, 1]);
      const names: string[] = [];
      for await (const { key } of s3.client().list("")) names.push(key);
      const content = names.filter((name) => !/^(notes|reserve|store)/.test(name));
      assert.deepEqual(content, []);
    });

    await context.test("from the folder", async () => {
      const first = reportOf(await gantryProcess(root, into));
      assert.deepEqual([first.problems, first.odd, first.manifests], [[], [], { imported: 12, there: 0 }]);
      assert.deepEqual([first.tags.imported, first.robots], [6, { imported: 1, there: 0 }]);
      assert.deepEqual(await stateOfBucket(s3), before);
      const again = reportOf(await gantryProcess(root, into));
      assert.deepEqual([again.manifests, again.tags.there], [{ imported: 0, there: 12 }, 6]);
      assert.deepEqual([again.blobs.streamed.count, again.robots], [0, { imported: 0, there: 1 }]);
      assert.deepEqual(await stateOfBucket(s3), before);
      await using node = await startS3Node(s3);
      await assertServed(node.url, pushed);
    });

    await context.test("and back, while a server serves the bucket", async () => {
      await using _ = await startS3Node(s3);
      const served = await stateOfBucket(s3);
      const ran = reportOf(await gantryProcess(backRoot, back));
      assert.deepEqual([ran.problems, ran.manifests.imported, ran.robots.imported], [[], 12, 1]);
      assert.deepEqual(await stateOfFolder(backRoot), served);
      const verified = await gantryProcess(backRoot, ["verify", "--json"]);
      assert.equal(verified.code, 0, verified.stdout);
      {
        await using server = await startGantry({}, backRoot);
        await assertServed(server.url, pushed);
      }
      await using server = await startGantry({ REGISTRY_AUTH_ROBOTS_ENABLED: "true" }, backRoot);
      const headers = { authorization: `Basic ${Buffer.from(robot).toString("base64")}` };
      assert.equal((await new Remote(server.url, "team/app", headers).verify("v1")).digest, pushed.multi);
    });

    await context.test("a store is not imported into itself", async () => {
      const bucket = ["import", "--config", join(folder.path, "bucket.yml"), "--from-store"];
      for (const [where, words] of [
        ["folder", ["import", "--from-store", `${root}/../old`]],
        ["bucket", [...bucket, join(folder.path, "bucket.yml")]],
      ] as const) {
        const { code, stderr } = await gantryProcess(root, words);
        assert.equal(code, 1, where);
        assert.match(stderr, /the source is the store into which it would be imported/, where);
      }
    });
  });
