/** The backup of docs/operating.md, made with its commands from a server during pushes, and restored. */
import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { gantryProcess as gantry } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { newRobot } from "../support/login.js";
import { commandsOf, exampleOf } from "./page.js";

const page = "docs/operating.md";
const heading = "Backup and restore";

test("a backup of a busy server is complete, and its contents are stored once", {
  skip: needs("rsync"),
}, async () => {
  await using folder = await temporaryFolder();
  const [root, backup, restored] = ["store", "backup", "restored"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  /** The page's commands, with the test's paths. */
  const follow = async (first: string, wanted: RegExp) => {
    const commands = commandsOf({ text: await exampleOf(page, heading, first) });
    for (const command of commands.filter((one) => wanted.test(one))) {
      const here = command
        .replaceAll("/var/lib/gantry", root)
        .replaceAll("/srv/backup", backup)
        .replaceAll("/srv/restored", restored);
      await run("sh", ["-c", here]);
    }
  };
  const names = [newName(), newName()];
  const pushed = new Set<string>();
  let copying = true;
  {
    await using server = await startGantry({}, root);
    const client = new Client(server.url);
    const robot = await newRobot(root, "backup", "--scope", "**:pull");
    assert.ok(robot.key.startsWith("gantry_"));
    const push = async () => {
      // The same layers in both repositories, and a moving tag beside a constant one.
      const pushedImage = image();
      for (const name of names) {
        await client.pushImage(name, pushedImage, "latest");
        await client.pushImage(name, pushedImage, `build-${pushed.size}`);
      }
      pushed.add(pushedImage.digest);
    };
    for (let count = 0; count < 20; count++) await push();
    const pushing = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (copying) await push();
      }),
    );
    const before = pushed.size;
    await follow("mkdir", /^/);
    copying = false;
    await pushing;
    assert.ok(pushed.size > before, "clients pushed while it was copied");
  }
  await follow("rsync", /^rsync/);

  // A tag that moved between two reads of rsync has another copy beside its pointer, which verify mends.
  const first = (await gantry(restored, ["verify", "--json"])).json<VerifyReport>();
  assert.deepEqual(
    first.problems.filter(({ tag, remedy }) => tag !== "latest" || remedy !== "mended"),
    [],
  );
  const ran = await gantry(restored, ["verify", "--json"]);
  const report = ran.json<VerifyReport>();
  assert.deepEqual([ran.code, report.problems, report.hurtTags], [0, [], []], ran.stderr);
  assert.ok(report.tags >= 2 * 21, `${report.tags} tags`);
  const blobs = join(restored, "blobs", ...(names[0] ?? "").split("/"));
  for (const blob of await readdir(blobs))
    assert.ok((await stat(join(blobs, blob))).nlink >= 2, `${blob} is linked to its content`);
  assert.match((await gantry(restored, ["token", "list"])).stdout, /robot-backup/);

  await using server = await startGantry({}, restored);
  const client = new Client(server.url);
  for (const name of names)
    assert.equal((await client.get(`/v2/${name}/manifests/latest`)).status, 200, "it is served");
});
