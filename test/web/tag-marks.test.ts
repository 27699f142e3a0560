// What the list of tags says of signatures and SBOMs, and of the tags that only hold them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { describe, image, index, newName } from "../support/content.js";
import { pageBytesMax, readPage, textOf } from "./page.js";

const { client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });

/** The rows of the table, by tag. */
async function rowsOf(name: string): Promise<ReadonlyMap<string, string>> {
  const page = await readPage(client, `/ui/r/${name}/_tags`);
  const rows = page
    .split("<tr>")
    .slice(2)
    .map((row) => row.split("</tr>")[0] ?? "");
  return new Map(rows.map((row) => [/_image\/(\S+?)"/.exec(row)?.[1] ?? "", row]));
}

test("signed images are marked, and an SBOM is", async () => {
  const name = newName("team/app");
  const [plain, signed, both] = [image(), image(), image()];
  await client.pushImage(name, plain, "plain");
  await client.pushImage(name, signed, "signed");
  await client.pushImage(name, both, "both");
  const signature = { artifactType: "application/vnd.cncf.notary.signature" };
  await client.pushImage(name, image({ ...signature, subject: describe(signed) }));
  await client.pushImage(name, image({ ...signature, subject: describe(both) }));
  await client.pushImage(name, image({ artifactType: "application/spdx+json", subject: describe(both) }));
  const rows = await rowsOf(name);
  assert.doesNotMatch(rows.get("plain") ?? "", />signed<|>SBOM</);
  assert.match(rows.get("signed") ?? "", /<span class="tag">signed<\/span>/);
  assert.doesNotMatch(rows.get("signed") ?? "", />SBOM</);
  assert.match(rows.get("both") ?? "", />signed<.*>SBOM</);
});

test("tags that only hold attachments lead to their image, and are counted apart", async () => {
  const name = newName("team/app");
  const made = image();
  const base = made.digest.replace(":", "-");
  await client.pushImage(name, made, "v1");
  for (const [ending, title] of [
    [".sig", "signature of"],
    [".att", "attestation of"],
    [".sbom", "SBOM of"],
    ["", "referrers of"],
  ] as const) {
    await client.pushImage(name, ending === "" ? index([]) : image(), `${base}${ending}`);
    const row = (await rowsOf(name)).get(`${base}${ending}`) ?? "";
    assert.match(textOf(row), new RegExp(`${title} ${made.digest.slice(0, 19)}`));
    assert.ok(row.includes(`href="_image/${made.digest}"`));
  }
  assert.match((await rowsOf(name)).get("v1") ?? "", />signed<.*>SBOM</);
  const page = textOf(await readPage(client, `/ui/r/${name}/_tags`));
  assert.match(page, /5 tags, 4 of them for signatures and other attachments/);
});

test("a full page of the longest tags with every mark stays small", async () => {
  const name = "a/".repeat(123) + newName().slice(0, 9);
  const made = image();
  const nasty = "\u202e\"<&'".repeat(30);
  const both = index([made], {
    manifests: Array.from({ length: 5 }, (_, place) => ({
      ...describe(made),
      platform: { os: nasty.slice(0, 60), architecture: `${nasty.slice(0, 50)}${place}` },
    })),
  });
  await client.pushImage(name, made);
  for (let number = 0; number < 40; number++)
    await client.pushImage(name, both, `${String(number).padStart(3, "0")}${"t".repeat(125)}`);
  for (const artifactType of ["application/vnd.cncf.notary.signature", "application/spdx+json"])
    await client.pushImage(name, image({ artifactType, subject: describe(both) }));
  const page = await readPage(client, `/ui/r/${name}/_tags`);
  assert.equal(page.match(/>SBOM</g)?.length, 30);
  const bytes = Buffer.byteLength(page);
  assert.ok(bytes < pageBytesMax, `${bytes} bytes`);
});
