// The page of the manifests that no tag points to: which they are, what keeps them, and that it stays small.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { describe, digestOf, image, index, manifestOf, newName, types } from "../support/content.js";
import { pageBytesMax, readPage, textOf } from "./page.js";

const { client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true", REGISTRY_GC_UNTAGGED: "1h" });

/** The rows of the table, by the digest of the manifest. */
async function rowsOf(name: string, query = ""): Promise<ReadonlyMap<string, string>> {
  const page = await readPage(client, `/ui/r/${name}/_untagged${query}`);
  const rows = page
    .split("<tr>")
    .slice(2)
    .map((row) => row.split("</tr>")[0] ?? "");
  return new Map(rows.map((row) => [/_image\/(\S+?)"/.exec(row)?.[1] ?? "", textOf(row)]));
}

function short(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}

test("manifests without a tag are listed with what keeps each", async () => {
  const name = newName("team/app");
  const [part, lost, subject, tagged] = [image(), image(), image(), image()];
  const whole = index([part], {
    manifests: [{ ...describe(part), platform: { os: "linux", architecture: "arm64" } }],
  });
  const outer = index([whole]);
  const referrer = image({ subject: describe(subject), artifactType: "application/spdx+json" });
  const orphan = image({ subject: describe(lost) });
  for (const one of [part, lost, whole, referrer, orphan]) await client.pushImage(name, one);
  await client.pushImage(name, outer, "v1");
  await client.pushImage(name, subject, "v2");
  await client.pushImage(name, tagged, "v3");
  const rows = await rowsOf(name);
  assert.deepEqual(
    [...rows.keys()].sort(),
    [part, lost, whole, referrer, orphan].map(({ digest }) => digest).sort(),
  );
  assert.match(rows.get(part.digest) ?? "", new RegExp(`part of ${short(whole.digest)}, tag v1$`));
  assert.match(rows.get(whole.digest) ?? "", new RegExp(`part of ${short(outer.digest)}, tag v1$`));
  assert.match(
    rows.get(referrer.digest) ?? "",
    new RegExp(`SBOM.*refers to ${short(subject.digest)}, tag v2$`),
  );
  assert.match(rows.get(lost.digest) ?? "", /(?:just now|second).*image.*nothing$/);
  assert.match(rows.get(orphan.digest) ?? "", /nothing$/);
  const page = textOf(await readPage(client, `/ui/r/${name}/_untagged`));
  assert.match(page, /5 manifests/);
  assert.match(page, /removes manifests that nothing keeps when they are 1h old/);
});

test("the page follows pushes, moved tags and deletions", async () => {
  const name = newName("team/moving");
  const [one, two] = [image(), image()];
  await client.pushImage(name, one, "latest");
  assert.deepEqual([...(await rowsOf(name)).keys()], []);
  assert.match(
    await readPage(client, `/ui/r/${name}/_untagged`),
    /Every manifest of this repository has a tag/,
  );
  await client.pushImage(name, two, "latest");
  assert.deepEqual([...(await rowsOf(name)).keys()], [one.digest]);
  await client.pushImage(name, one, "old");
  assert.deepEqual([...(await rowsOf(name)).keys()], []);
  const third = image();
  await client.pushImage(name, third);
  assert.deepEqual([...(await rowsOf(name)).keys()], [third.digest]);
  assert.equal((await client.delete(`/v2/${name}/manifests/${third.digest}`)).status, 202);
  assert.deepEqual([...(await rowsOf(name)).keys()], []);
  await client.delete(`/v2/${name}/manifests/old`);
  assert.deepEqual([...(await rowsOf(name)).keys()], [one.digest]);
});

test("a tag of the referrers tag schema keeps what it is about", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, subject);
  await client.pushImage(name, index([]), `sha256-${subject.digest.slice("sha256:".length)}`);
  assert.match(
    (await rowsOf(name)).get(subject.digest) ?? "",
    /the tag sha256-\w+, which lists its referrers$/,
  );
});

test("the page says that a repository does not exist", async () => {
  const { status, body } = await client.get(`/ui/r/${newName()}/_untagged`);
  assert.equal(status, 404, body.toString());
});

test("a full page of long digests and tags stays small", async () => {
  const name = "a/".repeat(123) + newName().slice(0, 9);
  const nasty = "\u202e\"<&'".repeat(30);
  const parts = Array.from({ length: 45 }, () => {
    const { bytes, blobs } = image();
    return { bytes, blobs, mediaType: types.manifest, digest: digestOf(bytes, "sha512") };
  });
  const parents = parts.map((part, number) => {
    const platforms = Array.from({ length: 5 }, (_, place) => ({
      ...describe(part),
      platform: { os: nasty.slice(0, 60), architecture: `${nasty.slice(0, 50)}${place}` },
    }));
    const { bytes } = manifestOf({
      schemaVersion: 2,
      mediaType: types.index,
      manifests: platforms,
      annotations: { number: `${number}` },
    });
    return { bytes, blobs: [], mediaType: types.index, digest: digestOf(bytes, "sha512") };
  });
  for (const one of [...parts, ...parents]) await client.pushImage(name, one);
  await client.pushImage(name, index(parents), "t".repeat(128));
  const page = await readPage(client, `/ui/r/${name}/_untagged`);
  assert.match(page, /90 manifests/);
  assert.match(page, /Page 1 of 3/);
  const { length } = Buffer.from(page);
  assert.ok(length < pageBytesMax, `${length} bytes`);
  assert.equal((await rowsOf(name, "?page=3")).size, 30);
});
