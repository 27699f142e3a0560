// What `gantry verify` finds, quarantines and repairs, and that the next push repairs damaged content: through the real
// program, with a server that holds the store and without one.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { assertError, Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  image,
  index,
  newName,
  types,
} from "../support/content.js";
import { startInside } from "../support/inside.js";
import { storedBelow } from "../support/store.js";
import { historyOf } from "../support/tag-history.js";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-damage-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function contentPath(root: string, { digest }: Blob): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return `${root}/content/${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

async function verify(root: string, ...flags: string[]) {
  const ran = await gantry(root, ["verify", "--json", ...flags]);
  // On a busy machine it runs long enough to report progress.
  const complaints = ran.stderr.split("\n").filter((line) => !/^\d+ repositor(?:y|ies)\b/.test(line));
  assert.deepEqual(complaints, [""]);
  return { code: ran.code, ...ran.json<VerifyReport>() };
}

/** The same test with a running server, and with the server stopped for the command. */
function onBoth(what: string, run: (root: string, commands: Command) => Promise<void>): void {
  for (const online of [true, false]) {
    test(`${what}, ${online ? "while the server runs" : "without a server"}`, async () => {
      const root = await newFolder();
      let server = await startInside({}, root);
      const commands: Command = {
        client: () => new Client(server.url),
        verify: async (...flags) => {
          if (online) return verify(root, ...flags);
          await server.stop();
          const report = await verify(root, ...flags);
          server = await startInside({}, root);
          return report;
        },
      };
      try {
        await run(root, commands);
      } finally {
        await server.stop();
      }
    });
  }
}

interface Command {
  client(): Client;
  verify(...flags: string[]): ReturnType<typeof verify>;
}

onBoth(
  "a damaged blob is found, quarantined and repaired by the next push",
  async (root, { client, verify }) => {
    const [one, two] = [newName("a"), newName("b")];
    const layer = blobOf(300_000);
    const made = image({ layers: [descriptorOf(layer, types.layer)] });
    const other = image();
    for (const name of [one, two]) {
      await client().pushBlobs(name, layer);
      await client().pushImage(name, made, "v1");
    }
    const above = index([made, other]);
    await client().pushImage(two, other, "sound");
    await client().putManifest(two, "all", above.bytes, types.index);
    assert.ok((await client().get(`/v2/${one}/blobs/${layer.digest}`)).body.equals(layer.bytes));
    await truncate(contentPath(root, layer), 1000);

    const plan = await verify("--dry-run");
    assert.equal(plan.code, 1);
    assert.deepEqual(
      plan.problems.map(({ repository, digest, remedy }) => [repository, digest, remedy]),
      [undefined, one, two].map((repository) => [repository, layer.digest, "none"]),
    );
    assert.deepEqual(await storedBelow(`${root}/quarantine`), [], "a dry run changes nothing");

    const found = await verify();
    assert.equal(found.code, 1);
    const quarantined = found.problems.filter(({ remedy }) => remedy === "quarantined");
    assert.deepEqual(
      quarantined.map(({ repository, digest }) => [repository, digest]),
      [undefined, one, two].map((repository) => [repository, layer.digest]),
    );
    assert.deepEqual(found.hurtTags.map(({ repository, tag }) => `${repository}:${tag}`).sort(), [
      `${one}:v1`,
      `${two}:all`,
      `${two}:v1`,
    ]);
    assert.match(found.hurtTags[0]?.because.join() ?? "", new RegExp(layer.digest));
    assert.equal((await readFile(`${root}/quarantine/blobs/${one}/${layer.digest}`)).length, 1000);
    for (const name of [one, two]) {
      const path = `/v2/${name}/blobs/${layer.digest}`;
      assertError(await client().get(path), 404, "BLOB_UNKNOWN");
      assert.equal((await client().head(path)).status, 404);
      assert.equal((await client().get(`/v2/${name}/manifests/v1`)).status, 200, "the manifest is intact");
    }

    for (const name of [one, two]) await client().pushBlobs(name, layer);
    const healed = await verify();
    assert.deepEqual([healed.code, healed.problems, healed.hurtTags], [0, [], []]);
    for (const name of [one, two]) {
      assert.ok((await client().get(`/v2/${name}/blobs/${layer.digest}`)).body.equals(layer.bytes));
    }
  },
);

onBoth("a push repairs damage that verify has only reported", async (root, { client, verify }) => {
  const name = newName();
  const blob = blobOf(5000);
  await client().pushBlobs(name, blob);
  await truncate(contentPath(root, blob), 10);
  assert.equal((await verify("--dry-run")).code, 1);
  await client().pushBlobs(newName(), blob);
  assert.equal((await verify()).code, 0);
  assert.ok((await client().get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
});

for (const [what, damage] of [
  ["empty", (bytes: Buffer) => bytes.subarray(0, 0)],
  ["cut short", (bytes: Buffer) => bytes.subarray(0, 20)],
  [
    "of other bytes",
    (bytes: Buffer) => Buffer.from(bytes.toString().replace("amd64", "arm64").replace(/\d/, "0")),
  ],
] as const) {
  onBoth(
    `a manifest that is ${what} is quarantined with its tags, and repaired by the next push`,
    async (root, { client, verify }) => {
      const name = newName();
      const [made, other] = [image(), image()];
      await client().pushImage(name, made, "latest");
      await client().pushImage(name, other, "sound");
      const path = `${root}/manifests/${name}/${made.digest}`;
      const damaged = damage(made.bytes);
      assert.ok(!damaged.equals(made.bytes));
      await writeFile(path, damaged);
      const found = await verify();
      assert.equal(found.code, 1);
      assert.deepEqual(
        found.problems.map(({ digest, tag, remedy }) => [digest, tag, remedy]),
        [
          [made.digest, undefined, "quarantined"],
          [made.digest, "latest", "quarantined"],
        ],
      );
      assert.deepEqual(
        found.hurtTags.map(({ tag, digest }) => [tag, digest]),
        [["latest", made.digest]],
      );
      assert.ok((await readFile(`${root}/quarantine/manifests/${name}/${made.digest}`)).equals(damaged));
      for (const reference of ["latest", made.digest])
        assertError(await client().get(`/v2/${name}/manifests/${reference}`), 404, "MANIFEST_UNKNOWN");
      assert.deepEqual((await client().get(`/v2/${name}/tags/list`)).json(), { name, tags: ["sound"] });
      assert.ok((await client().get(`/v2/${name}/manifests/sound`)).body.equals(other.bytes));
      await client().pushImage(name, made, "latest");
      assert.ok((await client().get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
      assert.equal((await verify()).code, 0);
    },
  );
}

onBoth(
  "content missing from a manifest is reported with the affected tags",
  async (root, { client, verify }) => {
    const name = newName();
    const [made, child, sound] = [image({ layers: 2 }), image(), image()];
    await client().pushImage(name, made, "v1");
    await client().pushImage(name, child);
    await client().pushImage(name, sound, "sound");
    const parent = index([child]);
    await client().putManifest(name, "index", parent.bytes, types.index);
    const [, layer] = made.blobs;
    assert.ok(layer !== undefined);
    await unlink(`${root}/blobs/${name}/${layer.digest}`);
    await unlink(`${root}/manifests/${name}/${child.digest}`);
    const { problems, hurtTags, code } = await verify();
    assert.equal(code, 1);
    assert.deepEqual(
      problems.map(({ digest, what }) => `${digest}: ${what}`).sort(),
      [
        `${layer.digest}: manifest ${made.digest} names a missing blob`,
        `${child.digest}: manifest ${parent.digest} names a missing manifest`,
      ].sort(),
    );
    assert.deepEqual(hurtTags.map(({ tag }) => tag).sort(), ["index", "v1"]);
  },
);

test("a manifest that may be sparse affects no tag", async () => {
  const root = await newFolder();
  const settings = { REGISTRY_VALIDATION_MANIFESTS_SPARSE: "true" };
  const server = await startInside(settings, root);
  const made = image();
  const { status } = await new Client(server.url).putManifest(newName(), "v1", made.bytes, types.manifest);
  assert.equal(status, 201);
  assert.equal((await gantry(root, ["verify"])).code, 0);
  await server.stop();
  assert.equal((await gantry(root, ["verify"], settings)).code, 0);
  assert.equal((await gantry(root, ["verify"])).code, 1);
});

onBoth("faults of tags and referrers are repaired or quarantined", async (root, { client, verify }) => {
  const name = newName();
  const subject = image();
  const [first, second] = [image({ subject: describe(subject) }), image({ subject: describe(subject) })];
  for (const tag of ["sound", "copy", "pointer", "empty", "nowhere"])
    await client().pushImage(name, subject, tag);
  for (const made of [first, second]) await client().pushImage(name, made);
  const folder = `${root}/manifests/${name}`;
  const nowhere = blobOf(1).digest;
  await rm(`${folder}/tags/copy/manifest`);
  await writeFile(`${folder}/tags/pointer/manifest.sha256`, "latest");
  await writeFile(`${folder}/tags/empty/manifest.sha256`, "");
  await writeFile(`${folder}/tags/nowhere/manifest.sha256`, nowhere);
  await writeFile(`${folder}/_referrers/${subject.digest}/${first.digest}`, "{");
  await unlink(`${folder}/_referrers/${subject.digest}/${second.digest}`);
  await writeFile(`${folder}/_referrers/${subject.digest}/${nowhere}`, JSON.stringify(describe(first)));

  const { problems, hurtTags, code } = await verify();
  assert.equal(code, 1);
  const told = problems.map(({ tag, digest, remedy }) => `${tag ?? digest} ${remedy}`).sort();
  assert.deepEqual(
    told,
    [
      "copy mended",
      "pointer quarantined",
      "empty quarantined",
      "nowhere quarantined",
      `${first.digest} mended`,
      `${second.digest} mended`,
      `${nowhere} mended`,
    ].sort(),
  );
  assert.deepEqual(hurtTags.map(({ tag }) => tag).sort(), ["empty", "nowhere", "pointer"]);
  assert.equal(hurtTags.find(({ tag }) => tag === "nowhere")?.digest, nowhere);
  const { tags } = (await client().get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
  assert.deepEqual(tags, ["copy", "sound"]);
  for (const tag of ["empty", "nowhere"])
    assert.deepEqual(
      (await historyOf(client(), name, tag)).map(({ action, by }) => [action, by]),
      [
        ["removed", "verify"],
        ["pointed", "anonymous"],
      ],
    );
  assert.ok((await readFile(`${folder}/tags/copy/manifest`)).equals(subject.bytes));
  const list = (await client().get(`/v2/${name}/referrers/${subject.digest}`)).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(list.manifests.map(({ digest }) => digest).sort(), [first.digest, second.digest].sort());
  assert.equal((await verify()).code, 0);
});

test("verify finds nothing wrong during pushes and deletions", async () => {
  const root = await newFolder();
  await using server = await startInside({ REGISTRY_GC_INTERVAL: "0s" }, root);
  const client = new Client(server.url);
  const stopping = new AbortController();
  const work = Array.from({ length: 6 }, async (_, number) => {
    const name = newName(`r${number % 2}`);
    for (let round = 0; !stopping.signal.aborted; round++) {
      const subject = image();
      const attached = image({ subject: describe(subject) });
      await client.pushImage(name, subject, `t${round % 3}`);
      await client.pushImage(name, attached);
      const above = index([subject]);
      await client.putManifest(name, "index", above.bytes, types.index);
      await client.delete(`/v2/${name}/manifests/${above.digest}`);
      await client.delete(`/v2/${name}/manifests/${attached.digest}`);
      await client.delete(`/v2/${name}/manifests/${subject.digest}`);
      for (const { digest } of subject.blobs) await client.delete(`/v2/${name}/blobs/${digest}`);
    }
  });
  try {
    for (let round = 0; round < 4; round++) {
      const { code, problems, hurtTags } = await verify(root);
      assert.deepEqual([code, problems, hurtTags], [0, [], []]);
    }
  } finally {
    stopping.abort();
    await Promise.all(work);
  }
});
