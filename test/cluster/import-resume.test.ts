/**
 * An import that is killed at any moment and started again goes on, and ends like one that was not: between a folder and a
 * bucket, and within a bucket of CNCF distribution's layout.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { ImportReport } from "../../src/registry/import/report.js";
import { temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { gantryProcess, startCommand } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  type Image,
  image,
  index,
  types,
} from "../support/content.js";
import { DistributionFolder } from "../support/distribution.js";
import { startInside } from "../support/inside.js";
import { bucketFile } from "../support/s3-node.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";
import { type StoreState, stateOfBucket, stateOfFolder } from "../support/store-state.js";

const kills = 8;

interface Run {
  readonly root: string;
  readonly words: readonly string[];
}

interface Named {
  readonly name: string;
  readonly image: Image;
  /** Those that are not among the image's own. */
  readonly blobs: readonly Blob[];
  readonly tag: string | undefined;
}

/** Images in three repositories, with a layer that all have, and layers of several parts. */
function manyImages(): Named[] {
  const shared = blobOf(3_000_000);
  const images = Array.from({ length: 24 }, (_, number): Named => {
    const own = blobOf(number % 4 === 0 ? 12_000_000 : 300_000);
    const layers = [shared, own].map((layer) => descriptorOf(layer, types.layer));
    const name = `team/r${number % 3}`;
    return { name, image: image({ layers }), blobs: [shared, own], tag: `v${number}` };
  });
  const [first, , , fourth] = images.map((one) => one.image) as [Image, Image, Image, Image];
  const signature = image({ subject: describe(first), artifactType: "application/x.test" });
  const both = index([first, fourth]);
  const rest = [signature, both].map((made) => ({ name: "team/r0", image: made, blobs: [] as Blob[] }));
  return [...images, ...rest.map((one) => ({ ...one, tag: undefined }))];
}

/** Runs the import, and kills it at a random moment until it has been killed often enough, or has ended. */
async function importWithKills(
  context: TestContext,
  s3: S3Server,
  { root, words }: Run,
  /** The same import into another place. */
  undisturbed: Run,
): Promise<ImportReport> {
  await s3.resetRequests();
  assert.equal((await gantryProcess(undisturbed.root, undisturbed.words)).code, 0);
  const requestsMax = (await s3.requests()).length;
  for (let kill = 1; kill <= kills; kill++) {
    await s3.resetRequests();
    // The last one when most is done, so that something is there.
    const requests = kill === kills ? Math.floor(0.8 * requestsMax) : randomInt(requestsMax);
    const { child, ended } = startCommand(root, words);
    let hasEnded = false;
    const over = ended.finally(() => {
      hasEnded = true;
    });
    while (!hasEnded && (await s3.requests()).length < requests) await pause(2);
    child.kill("SIGKILL");
    const { code, stderr } = await over;
    const how = code === null ? "killed" : `ended with ${code}`;
    context.diagnostic(`${how} after ${requests} of ${requestsMax} requests`);
    if (code === 0) break;
    assert.equal(code, null, stderr);
  }
  const last = await gantryProcess(root, words);
  assert.equal(last.code, 0, `${last.stdout}\n${last.stderr}`);
  const report = last.json<ImportReport>();
  assert.ok(report.blobs.there.count > 0, "it goes on, instead of beginning again");
  return report;
}

/** Checks that everything is there, with its bytes, and that another import finds it. */
async function assertComplete(
  root: string,
  words: readonly string[],
  settings: readonly string[],
  report: ImportReport,
): Promise<void> {
  assert.deepEqual([report.problems, report.odd, report.complete], [[], [], true]);
  const verified = await gantryProcess(root, ["verify", ...settings, "--json"]);
  assert.equal(verified.code, 0, verified.stdout);
  const again = (await gantryProcess(root, words)).json<ImportReport>();
  assert.equal(again.manifests.imported, 0);
  const { there, ...ways } = again.blobs;
  assert.ok(there.count > 0);
  for (const [way, { count }] of Object.entries(ways)) assert.equal(count, 0, way);
}

test("a store that moves into a bucket and back survives kills of the import", {
  skip: needsVersitygw,
}, async (context) => {
  await using folder = await temporaryFolder();
  await using s3 = await startS3Server();
  const [root, back] = [join(folder.path, "old"), join(folder.path, "back")];
  {
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    for (const { name, image: made, blobs, tag } of manyImages()) {
      await client.pushBlobs(name, ...blobs);
      await client.pushImage(name, made, tag);
    }
  }
  const before = await stateOfFolder(root);
  const bucket = await bucketFile(s3, join(folder.path, "bucket.yml"));

  await context.test("into the bucket", async (kid) => {
    const words = ["import", "--config", bucket, "--from-store", root, "--json"];
    const spare = await bucketFile(s3, join(folder.path, "spare.yml"), "spare");
    const other = ["import", "--config", spare, "--from-store", root, "--json"];
    const report = await importWithKills(kid, s3, { root, words }, { root, words: other });
    assert.deepEqual(await stateOfBucket(s3), before);
    await assertComplete(root, words, ["--config", bucket], report);
  });

  await context.test("and back", async (kid) => {
    const words = ["import", "--from-store", bucket, "--json"];
    const spare = join(folder.path, "spare");
    const report = await importWithKills(kid, s3, { root: back, words }, { root: spare, words });
    assert.deepEqual(await stateOfFolder(back), before);
    await assertComplete(back, words, [], report);
  });
});

test("an import of distribution's bucket survives kills", { skip: needsVersitygw }, async (context) => {
  await using folder = await temporaryFolder();
  await using s3 = await startS3Server();
  // The server keeps objects as files, so that a folder is a bucket.
  const source = new DistributionFolder(join(s3.folder, s3.bucket, "old"));
  const images = manyImages();
  for (const { name, image: made, blobs, tag } of images) {
    for (const blob of blobs) await source.addBlob(name, blob);
    await source.addImage(name, made, ...(tag === undefined ? [] : [tag]));
  }
  const [from, into] = [join(folder.path, "old.yml"), join(folder.path, "new.yml")];
  await bucketFile(s3, from, "old");
  await bucketFile(s3, into, "new");
  const words = ["import", "--config", into, "--from-distribution", from, "--json"];
  const spare = await bucketFile(s3, join(folder.path, "spare.yml"), "spare");
  const other = ["import", "--config", spare, "--from-distribution", from, "--json"];
  const root = folder.path;
  const report = await importWithKills(context, s3, { root, words }, { root, words: other });
  assert.equal(report.blobs.streamed.count, 0);
  const tagsOf = (state: StoreState) =>
    Object.entries(state).flatMap(([name, { tags }]) =>
      Object.entries(tags).map(([tag, { digest }]) => `${name}:${tag}@${digest}`),
    );
  const wanted = images.flatMap(({ name, image: { digest }, tag }) =>
    tag === undefined ? [] : [`${name}:${tag}@${digest}`],
  );
  const state = await stateOfBucket(s3, "new/");
  assert.deepEqual(tagsOf(state).sort(), wanted.sort());
  for (const { name, image: made } of images)
    assert.ok(state[name]?.manifests.includes(made.digest), `${name}@${made.digest}`);
  await assertComplete(folder.path, words, ["--config", into], report);
});
