// What the page of an image says of its other tags, and of the indexes that contain it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { describe, image, index, newName } from "../support/content.js";
import { readPage, textOf } from "./page.js";

const { client } = await serve();

async function imagePage(name: string, reference: string): Promise<string> {
  return readPage(client, `/ui/r/${name}/_image/${reference}`);
}

test("an image has its other tags, and follows them", async () => {
  const name = newName("team/app");
  const made = image();
  await client.pushImage(name, made, "v1.0.0");
  assert.doesNotMatch(await imagePage(name, "v1.0.0"), /Other tags|Referenced by/);
  for (const tag of ["v1", "latest"]) await client.pushImage(name, made, tag);
  const page = await imagePage(name, "v1.0.0");
  assert.match(textOf(page), /Other tagsv1, latest/);
  assert.match(page, /href="\.\/latest"/);
  assert.match(textOf(await imagePage(name, made.digest)), /Tagsv1\.0\.0, v1, latest/);
  await client.pushImage(name, image(), "latest");
  assert.match(textOf(await imagePage(name, "v1.0.0")), /Other tagsv1(?!,)/);
});

test("an image without a tag says so", async () => {
  const name = newName("team/app");
  const made = image();
  await client.pushImage(name, made);
  assert.match(textOf(await imagePage(name, made.digest)), /Tagsnone/);
});

test("many tags are counted", async () => {
  const name = newName("team/app");
  const made = image();
  for (let number = 0; number < 15; number++) await client.pushImage(name, made, `v${number}`);
  assert.match(textOf(await imagePage(name, "v0")), /Other tags(?:v\d+(?:, )?){10} and 4 more/);
});

test("an image has the indexes that contain it, with their tags and its platform", async () => {
  const name = newName("team/multi");
  const [part, attestation] = [image(), image()];
  for (const one of [part, attestation]) await client.pushImage(name, one);
  const indexes = ["arm64", "amd64"].map((architecture) =>
    index([], {
      manifests: [
        { ...describe(part), platform: { os: "linux", architecture } },
        {
          ...describe(attestation),
          platform: { os: "unknown", architecture: "unknown" },
          annotations: {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": part.digest,
          },
        },
      ],
    }),
  );
  const [tagged, untagged] = indexes;
  assert.ok(tagged !== undefined && untagged !== undefined);
  await client.pushImage(name, tagged, "v1");
  await client.pushImage(name, tagged, "v2");
  await client.pushImage(name, untagged);
  const page = await imagePage(name, part.digest);
  const [, section = ""] = page.split("Referenced by");
  const rows = new Map(
    section
      .split("<tr>")
      .slice(2)
      .map((row) => [/href="\.\/(\S+?)"/.exec(row)?.[1], textOf(row.split("</tr>")[0] ?? "")]),
  );
  assert.match(rows.get(tagged.digest) ?? "", /v1, v2linux\/arm64$/);
  assert.match(rows.get(untagged.digest) ?? "", /nonelinux\/amd64$/);
  assert.equal(rows.size, 2);
  const [, other = ""] = (await imagePage(name, attestation.digest)).split("Referenced by");
  assert.match(textOf(other), /v1, v2attestation/);
});
