// Import from CNCF distribution's storage folder, through the real program: with a server that holds the store and without
// one. The source stays unchanged in every case.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { Client } from "../support/client.js";
import { gantry, gantryProcess, startCommand } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  dockerImage,
  type Image,
  image,
  index,
  manifestOf,
  types,
} from "../support/content.js";
import { DistributionFolder, write } from "../support/distribution.js";
import { startInside } from "../support/inside.js";
import { eventually, storedBelow } from "../support/store.js";

async function newFolder(parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, "gantry-import-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The properties of a source that must not change: every file's path, inode, times, mode and bytes. */
async function stateOf(folder: string): Promise<unknown[]> {
  const paths = await storedBelow(folder);
  return Promise.all(
    paths.map(async (path) => {
      const found = await stat(`${folder}/${path}`);
      const { ino, mode, mtimeMs, size } = found;
      const bytes = found.isFile() ? await readFile(`${folder}/${path}`) : "";
      return { path, ino, mode, mtimeMs, size, hash: createHash("sha256").update(bytes).digest("hex") };
    }),
  );
}

const shared = blobOf(300_000);
const one = image({ layers: [descriptorOf(shared, types.layer)] });
const untagged = image({ layers: 3 });
const other = dockerImage();
const many = index([one, untagged]);
const nested = index([many]);
const attached = image({ subject: describe(one), artifactType: "application/x.test" });
const bySchema = index([attached]);
const cache = manifestOf({
  schemaVersion: 2,
  mediaType: types.index,
  manifests: [descriptorOf(shared, types.layer)],
});
const lone = blobOf(5000);

const everything: readonly (readonly [name: string, image: Image, tags: readonly string[]])[] = [
  ["team/app", one, ["v1", "latest"]],
  ["team/app", untagged, []],
  ["team/app", many, ["all"]],
  ["team/app", nested, ["nested"]],
  ["team/app", attached, []],
  ["team/app", bySchema, [one.digest.replace(":", "-")]],
  ["team/app", cache, ["cache"]],
  ["team", one, ["copy"]],
  ["x/tags/y", other, ["v1"]],
];

async function fullSource(parent?: string): Promise<DistributionFolder> {
  const source = new DistributionFolder(await newFolder(parent));
  for (const name of ["team/app", "team"]) await source.addBlob(name, shared);
  for (const [name, made, tags] of everything) await source.addImage(name, made, ...tags);
  await source.addBlob("team/app", lone);
  await write(`${source.repository("team/app")}/_uploads/1234/startedat`, "2024-01-01T00:00:00Z");
  return source;
}

/** The referrers API lists its entries, so it is skipped. */
const schemaTag = one.digest.replace(":", "-");

async function assertServed(client: Client): Promise<void> {
  for (const [name, made, tags] of everything) {
    for (const reference of [made.digest, ...tags.filter((tag) => tag !== schemaTag)]) {
      const answer = await client.get(`/v2/${name}/manifests/${reference}`);
      assert.ok(answer.body.equals(made.bytes), `${name} ${reference}`);
      assert.equal(answer.headers["content-type"], made.mediaType);
    }
    for (const blob of [...made.blobs, ...(name.startsWith("team") ? [shared] : [])])
      await assertBlob(client, name, blob);
  }
  await assertBlob(client, "team/app", lone);
  const listed = (await client.get(`/v2/team/app/referrers/${one.digest}`)).json() as {
    manifests: { digest: string; artifactType: string }[];
  };
  assert.deepEqual(
    listed.manifests.map(({ digest, artifactType }) => [digest, artifactType]),
    [[attached.digest, "application/x.test"]],
  );
  const { tags } = (await client.get("/v2/team/app/tags/list")).json() as { tags: string[] };
  assert.deepEqual(tags, ["all", "cache", "latest", "nested", "v1"]);
}

async function assertBlob(client: Client, name: string, { digest, bytes }: Blob): Promise<void> {
  assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes), `${name} ${digest}`);
}

function contentOf(root: string, { digest }: Blob): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return `${root}/content/${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

async function runImport(root: string, source: DistributionFolder, ...flags: string[]) {
  const ran = await gantry(root, ["import", "--from-distribution", source.path, "--json", ...flags]);
  assert.notEqual(ran.stdout, "", ran.stderr);
  return { code: ran.code, ...ran.json<ImportReport>() };
}

for (const online of [true, false]) {
  const where = online ? "through the server that holds the store" : "into a new store";
  test(`everything is imported ${where}, as links; a second run finds it`, async () => {
    const source = await fullSource();
    const before = await stateOf(source.path);
    const root = online ? await newFolder() : join(await newFolder(), "store");
    const meanwhile = online ? await startInside({}, root) : undefined;
    if (meanwhile !== undefined) {
      // Earlier cache entries must not hide imported content.
      const client = new Client(meanwhile.url);
      await client.pushImage("team/app", image(), "before");
      assert.equal((await client.get("/v2/team/app/manifests/v1")).status, 404);
      assert.equal((await client.head(`/v2/team/app/blobs/${shared.digest}`)).status, 404);
      await client.get("/v2/team/app/tags/list");
      await client.delete("/v2/team/app/manifests/before");
    }

    const plan = await runImport(root, source, "--dry-run");
    assert.deepEqual([plan.code, plan.problems, plan.manifests.imported], [0, [], 9]);
    assert.ok(
      !(await storedBelow(root)).some(
        (path) => path.startsWith("content/") && path.endsWith(lone.digest.slice(7)),
      ),
    );

    const report = await runImport(root, source);
    assert.deepEqual([report.code, report.problems, report.odd, report.complete], [0, [], [], true]);
    assert.deepEqual(report.repositories, 3);
    assert.deepEqual(report.manifests, { imported: 9, there: 0 });
    assert.deepEqual(report.tags, { imported: 7, moved: 0, there: 0, kept: 0, referrers: 1 });
    const { linked, shared: mounted, there } = report.blobs;
    assert.deepEqual([linked.count, mounted.count, there.count], [11, 2, 0]);

    const again = await runImport(root, source);
    assert.deepEqual([again.code, again.manifests, again.tags.there], [0, { imported: 0, there: 9 }, 7]);
    assert.deepEqual([again.blobs.linked.count, again.blobs.there.count], [0, 13]);

    assert.equal((await stat(contentOf(root, shared))).ino, (await stat(source.data(shared.digest))).ino);
    assert.deepEqual(await stateOf(source.path), before);
    const server = meanwhile ?? (await startInside({}, root));
    await assertServed(new Client(server.url));
    await server.stop();
    const verified = await gantry(root, ["verify"]);
    assert.equal(verified.code, 0, verified.stdout);
  });
}

test("a killed import continues where it stopped", async () => {
  const source = new DistributionFolder(await newFolder());
  const images = Array.from({ length: 150 }, () => image({ layers: 4 }));
  for (const [number, made] of images.entries()) await source.addImage("big/app", made, `v${number}`);
  const root = await newFolder();
  const { child, ended } = startCommand(root, ["import", "--from-distribution", source.path]);
  await eventually(
    "some tags exist",
    async () => (await storedBelow(`${root}/manifests/big/app/tags`)).length > 0 || undefined,
    20_000,
  );
  child.kill("SIGKILL");
  await ended;
  const report = await runImport(root, source);
  assert.deepEqual([report.code, report.problems], [0, []]);
  assert.ok(report.blobs.there.count > 0, "existing content is not imported again");
  assert.equal(report.blobs.there.count + report.blobs.linked.count, 150 * 5);
  assert.equal(report.tags.there + report.tags.imported, 150);
  assert.equal((await gantry(root, ["verify"])).code, 0);
});

test("objects that the source cannot deliver are reported and skipped, without affecting others", async () => {
  const source = await fullSource();
  const lost = image({ layers: 2 });
  const aboveLost = index([lost]);
  const emptied = image();
  const schema1 = manifestOf({ schemaVersion: 1, name: "odd", fsLayers: [] });
  const other512 = blobOf(2000, "sha512");
  const by512 = image({ layers: [descriptorOf(other512, types.layer)] });
  for (const [made, tag] of [
    [lost, "lost"],
    [aboveLost, "above-lost"],
    [emptied, "emptied"],
    [schema1, "schema1"],
    [by512, "sha512"],
  ] as const)
    await source.addImage("odd", made, tag);
  const [, lostLayer] = lost.blobs;
  const [emptiedConfig] = emptied.blobs;
  assert.ok(lostLayer && emptiedConfig);
  await rm(source.data(lostLayer.digest));
  await truncate(source.data(emptiedConfig.digest), 0);
  const dangling = blobOf("collected");
  await write(source.layer("odd", dangling.digest), dangling.digest);
  const crashed = blobOf("crashed");
  await source.addBlob("odd", { digest: crashed.digest, bytes: Buffer.alloc(0) });
  await write(`${source.tag("odd", "broken")}/current/link`, "");
  const gone = image();
  await source.point("odd", "gone", gone.digest);
  await write(`${source.repository("odd")}/_layers/tarsum.v1+sha256/${"a".repeat(64)}/link`, "tarsum");
  await write(`${source.root}/repositories/Upper/_manifests/tags/v1/current/link`, one.digest);
  // Distribution stores every content by its sha256, even if it was pushed under another digest.
  const canonical = blobOf(other512.bytes.toString("latin1"));
  await write(source.data(canonical.digest), other512.bytes);
  await write(source.layer("odd", other512.digest), canonical.digest);
  const before = await stateOf(source.path);

  const root = await newFolder();
  const report = await runImport(root, source);
  assert.equal(report.code, 1);
  assert.deepEqual(await stateOf(source.path), before);
  const told = (about: { tag?: string; digest?: string }, what: RegExp) =>
    assert.ok(
      report.problems.some(
        (problem) =>
          problem.repository === "odd" &&
          what.test(problem.what) &&
          (about.tag === undefined ? problem.tag === undefined : problem.tag === about.tag) &&
          (about.digest === undefined || problem.digest === about.digest),
      ),
      `${JSON.stringify(about)} ${what} in ${JSON.stringify(report.problems)}`,
    );
  told({ digest: lost.digest }, new RegExp(`names missing content: ${lostLayer.digest}`));
  told({ digest: aboveLost.digest }, new RegExp(`names missing content: ${lost.digest}`));
  told({ digest: emptiedConfig.digest }, /has 0 bytes instead of/);
  told({ digest: emptied.digest }, new RegExp(`names missing content: ${emptiedConfig.digest}`));
  told({ digest: schema1.digest }, /schema 1/);
  told({ digest: crashed.digest }, /do not match the digest/);
  told({ tag: "broken" }, /does not know the target of the tag/);
  told({ tag: "gone", digest: gone.digest }, /a manifest that the source does not have/);
  for (const tag of ["lost", "above-lost", "emptied", "schema1"]) told({ tag }, /was not imported/);
  assert.equal(report.problems.length, 12, JSON.stringify(report.problems, null, 1));
  const odd = report.odd.map(({ what, why }) => `${what.slice(what.indexOf("/repositories/") + 1)}: ${why}`);
  for (const what of [
    new RegExp(`odd@${dangling.digest}: the source lists the blob`),
    /broken\/current\/link: an empty link/,
    /_layers\/tarsum.*not a digest/,
    /repositories\/Upper: not a valid repository name/,
  ])
    assert.ok(
      odd.some((line) => what.test(line)),
      `${what} in ${odd.join("\n")}`,
    );

  await using server = await startInside({}, root);
  const client = new Client(server.url);
  await assertServed(client);
  await assertBlob(client, "odd", other512);
  assert.ok((await client.get("/v2/odd/manifests/sha512")).body.equals(by512.bytes));
  const { tags } = (await client.get("/v2/odd/tags/list")).json() as { tags: string[] };
  assert.deepEqual(tags, ["sha512"]);
});

test("a damaged blob linked to the source is repaired in every repository, without writing to the source", async () => {
  const source = await fullSource();
  const damaged = Buffer.from(shared.bytes);
  damaged[1000] = 255 - (damaged[1000] ?? 0);
  await writeFile(source.data(shared.digest), damaged);
  const before = await stateOf(source.path);
  const root = await newFolder();
  assert.equal((await runImport(root, source)).code, 0, "nothing is hashed unless requested");
  const server = await startInside({}, root);
  const client = new Client(server.url);
  assert.ok((await client.get(`/v2/team/blobs/${shared.digest}`)).body.equals(damaged));
  await client.pushBlobs("elsewhere", shared);
  for (const name of ["team", "team/app", "elsewhere"]) await assertBlob(client, name, shared);
  await server.stop();
  assert.equal((await gantry(root, ["verify"])).code, 0);
  assert.deepEqual(await stateOf(source.path), before);
});

test("with --rehash a damaged blob is not adopted, and an adopted one is found", async () => {
  const source = await fullSource();
  const damaged = Buffer.from(shared.bytes);
  damaged[1000] = 255 - (damaged[1000] ?? 0);
  await writeFile(source.data(shared.digest), damaged);
  const before = await stateOf(source.path);
  const root = await newFolder();
  const fails = async () => {
    const report = await runImport(root, source, "--rehash");
    assert.equal(report.code, 1);
    const what = report.problems.find(({ digest }) => digest === shared.digest)?.what;
    assert.match(what ?? "", /do not match the digest/);
  };
  await fails();
  assert.ok(!(await storedBelow(root)).some((path) => path.endsWith(shared.digest)));
  assert.equal((await runImport(root, source)).code, 0);
  await fails();
  assert.deepEqual(await stateOf(source.path), before);
  await writeFile(source.data(shared.digest), shared.bytes);
  const healed = await runImport(root, source, "--rehash");
  assert.deepEqual([healed.code, healed.problems], [0, []]);
  assert.equal((await gantry(root, ["verify"])).code, 0);
});

test("tags follow the source, unless existing ones are kept", async () => {
  const source = new DistributionFolder(await newFolder());
  const root = await newFolder();
  const [first, second] = [image(), image()];
  await source.addImage("app", first, "latest", "old");
  await runImport(root, source);
  await source.addImage("app", second, "latest", "new");
  const kept = await runImport(root, source, "--keep-tags");
  assert.deepEqual(kept.tags, { imported: 1, moved: 0, there: 1, kept: 1, referrers: 0 });
  const moved = await runImport(root, source);
  assert.deepEqual(moved.tags, { imported: 0, moved: 1, there: 2, kept: 0, referrers: 0 });
  await using server = await startInside({}, root);
  const { body } = await new Client(server.url).get("/v2/app/manifests/latest");
  assert.ok(body.equals(second.bytes));
});

test("only matching repositories are imported", async () => {
  const source = await fullSource();
  const root = await newFolder();
  const report = await runImport(root, source, "--repository", "team/*", "--repository", "nothing");
  assert.deepEqual([report.code, report.repositories], [0, 1]);
  await using server = await startInside({}, root);
  const { repositories } = (await new Client(server.url).get("/v2/_catalog")).json() as {
    repositories: string[];
  };
  assert.deepEqual(repositories, ["team/app"]);
});

test("a permanently running collector removes nothing of an import", async () => {
  const source = new DistributionFolder(await newFolder());
  for (let number = 0; number < 40; number++)
    await source.addImage(`app-${number % 4}`, image({ layers: 4 }), `v${number}`);
  const root = await newFolder();
  const server = await startInside({ REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_UNTAGGED: "0s" }, root);
  let over = false;
  const collecting = (async () => {
    let runs = 0;
    for (; !over; runs++) assert.equal((await gantry(root, ["gc", "--delete"])).code, 0);
    return runs;
  })();
  const report = await runImport(root, source);
  over = true;
  assert.ok((await collecting) > 0);
  await server.stop();
  assert.deepEqual([report.code, report.problems, report.tags.imported], [0, [], 40]);
  assert.equal((await gantry(root, ["verify"])).code, 0);
});

test("blobs that cannot be linked are copied and verified", async (context) => {
  const elsewhere = "/dev/shm";
  const device = async (path: string) => (await stat(path).catch(() => undefined))?.dev;
  const there = await device(elsewhere);
  if (there === undefined || there === (await device(tmpdir())))
    return context.skip("this machine has no second file system to copy from");
  const source = await fullSource(elsewhere);
  const damaged = blobOf(3000);
  await source.addBlob("team/app", { digest: damaged.digest, bytes: Buffer.alloc(3000) });
  const before = await stateOf(source.path);
  const root = await newFolder();
  const report = await runImport(root, source);
  assert.deepEqual([report.blobs.copied.count, report.blobs.linked.count], [11, 0]);
  assert.deepEqual(
    report.problems.map(({ digest, what }) => [digest, /do not match the digest/.test(what)]),
    [[damaged.digest, true]],
  );
  assert.deepEqual(await stateOf(source.path), before);
  await using server = await startInside({}, root);
  await assertServed(new Client(server.url));
});

test("files that this user may not link to are copied, and unreadable ones are reported", async (context) => {
  const source = await fullSource();
  const secret = image();
  await source.addImage("secret", secret, "latest");
  const [config] = secret.blobs;
  assert.ok(config);
  await chmod(source.data(config.digest), 0o600);
  const root = await newFolder();
  const asNobody = ["setpriv", "--reuid", "65534", "--clear-groups"];
  const isAllowed = (program: string, ...parameters: string[]) => spawnSync(program, parameters).status === 0;
  if (!isAllowed("setpriv", ...asNobody.slice(1), "true") || !isAllowed("chown", "65534", root))
    return context.skip("this machine does not allow changing to another user");
  await chmod(source.path, 0o755);
  const command = ["import", "--from-distribution", source.path, "--json"];
  const ran = await gantryProcess(root, command, {}, asNobody);
  if (ran.stdout === "") return context.skip(`this user cannot run node: ${ran.stderr}`);
  const { blobs, problems, tags } = ran.json<ImportReport>();
  assert.equal(blobs.linked.count + blobs.copied.count, 12);
  assert.deepEqual(
    problems.map(({ digest, tag }) => tag ?? digest),
    [config.digest, secret.digest, "latest"],
  );
  assert.match(problems[0]?.what ?? "", /permission denied/);
  assert.equal(tags.imported, 7);
});

test("bytes behind a symbolic link are imported as bytes, not as a link to its target", async () => {
  const source = new DistributionFolder(await newFolder());
  const made = image();
  await source.addImage("app", made, "latest");
  const [config] = made.blobs;
  assert.ok(config);
  const moved = join(await newFolder(), "moved");
  await writeFile(moved, config.bytes);
  await rm(source.data(config.digest));
  await symlink(moved, source.data(config.digest));
  const root = await newFolder();
  const report = await runImport(root, source);
  assert.deepEqual([report.code, report.blobs.streamed.count], [0, 1]);
  await rm(moved);
  await using server = await startInside({}, root);
  await assertBlob(new Client(server.url), "app", config);
});

test("a folder that is not a store of distribution is refused with its name", async () => {
  const folder = await newFolder();
  const ran = await gantry(await newFolder(), ["import", "--from-distribution", folder]);
  assert.deepEqual([ran.code, ran.stdout], [1, ""]);
  assert.ok(ran.stderr.includes(`there is no docker/registry/v2/repositories in ${folder}`), ran.stderr);
  const wrong = await gantry(await newFolder(), ["import"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--from-distribution/);
});
