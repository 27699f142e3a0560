// Export of images to an OCI layout and import from one, through the real program.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ExportReport } from "../../src/registry/export/report.js";
import type { ImportReport } from "../../src/registry/import/report.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  digestOf,
  type Image,
  image,
  index,
  types,
} from "../support/content.js";
import { write } from "../support/distribution.js";
import { startInside } from "../support/inside.js";
import { storedBelow } from "../support/store.js";

const refName = "org.opencontainers.image.ref.name";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-export-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const large = blobOf(3 * 1024 * 1024 + 17);
const one = image({ layers: [descriptorOf(large, types.layer)] });
const two = image();
const many = index([one, two]);
const attached = image({ subject: describe(one), artifactType: "application/x.test" });
const onAttached = image({ subject: describe(attached) });
const elsewhere = image();

/** A store with all of these, and a server on it. */
async function filled() {
  const root = await newFolder();
  const server = await startInside({}, root);
  const client = new Client(server.url);
  await client.pushBlobs("team/app", large);
  for (const [made, tag] of [
    [one, "v1"],
    [two, "v2"],
    [many, "all"],
  ] as const)
    await client.pushImage("team/app", made, tag);
  for (const made of [attached, onAttached]) await client.pushImage("team/app", made);
  await client.pushImage("tools/lint", elsewhere, "v1");
  return { root, server, client };
}

interface Index {
  readonly manifests: {
    digest: string;
    mediaType: string;
    size: number;
    annotations?: Record<string, string>;
  }[];
}

async function named(layout: string): Promise<[string | undefined, string][]> {
  const { manifests } = JSON.parse(await readFile(`${layout}/index.json`, "utf8")) as Index;
  return manifests.map(({ digest, annotations }) => [annotations?.[refName], digest]);
}

/** Every content of the layout has its digest, and these exist. */
async function assertWhole(layout: string, ...contents: readonly (Blob | Image)[]): Promise<void> {
  assert.equal(await readFile(`${layout}/oci-layout`, "utf8"), '{"imageLayoutVersion":"1.0.0"}');
  const files = (await storedBelow(`${layout}/blobs/sha256`)).map((hex) => `sha256:${hex}`);
  for (const digest of files)
    assert.equal(digestOf(await readFile(`${layout}/blobs/${digest.replace(":", "/")}`)), digest);
  for (const { digest } of contents) assert.ok(files.includes(digest), digest);
  assert.ok(!(await storedBelow(layout)).some((path) => path.endsWith(".tmp")));
}

async function exported(root: string, ...parameters: string[]) {
  const ran = await gantry(root, ["export", "--json", ...parameters]);
  assert.notEqual(ran.stdout, "", ran.stderr);
  return { code: ran.code, ...ran.json<ExportReport & { unmet: string[] }>() };
}

test("an image is exported by its tag and another one, and imported unchanged", async () => {
  const { root, server } = await filled();
  const layout = join(await newFolder(), "layout");
  const first = await exported(root, "team/app:v1", layout);
  assert.deepEqual([first.code, first.references, first.written.count, first.problems], [0, 1, 3, []]);
  assert.deepEqual(await named(layout), [["v1", one.digest]]);
  await assertWhole(layout, one, large);
  await server.stop();
  const second = await exported(root, "team/app:all", layout);
  assert.deepEqual([second.code, second.there.count], [0, 3], "existing content is not written again");
  assert.deepEqual(await named(layout), [
    ["v1", one.digest],
    ["all", many.digest],
  ]);
  await assertWhole(layout, many, one, two);

  const target = await newFolder();
  const ran = await gantry(target, ["import", "--from-oci", layout, "--as", "copy/app", "--json"]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  const { tags, manifests, blobs } = ran.json<ImportReport>();
  assert.deepEqual([tags.imported, manifests.imported, blobs.streamed.count], [2, 3, 4]);
  await using imported = await startInside({}, target);
  const client = new Client(imported.url);
  assert.ok((await client.get("/v2/copy/app/manifests/all")).body.equals(many.bytes));
  assert.ok((await client.get(`/v2/copy/app/blobs/${large.digest}`)).body.equals(large.bytes));
  const again = await gantry(target, ["import", "--from-oci", layout, "--as", "copy/app"]);
  assert.match(again.stdout, /0 manifests and 0 tags imported, 3 and 2 already there/);
});

test("deeply nested indexes are exported and imported again", async () => {
  const { root, server, client } = await filled();
  let nested = many;
  for (let depth = 0; depth < 20; depth++) {
    nested = index([nested]);
    await client.pushImage("team/app", nested, "deep");
  }
  await server.stop();
  const layout = await newFolder();
  assert.equal((await exported(root, "team/app:deep", layout)).code, 0);
  const back = await gantry(await newFolder(), ["import", "--from-oci", layout, "--as", "app", "--json"]);
  assert.equal(back.code, 0, back.stdout);
  assert.equal(back.json<ImportReport>().manifests.imported, 23);
});

test("repositories are exported by pattern with their names and referrers, and imported under them", async () => {
  const { root, server, client } = await filled();
  const layout = await newFolder();
  const report = await exported(root, "--referrers", "**:v*", layout);
  assert.deepEqual([report.code, report.references], [0, 5]);
  const names = new Map((await named(layout)).map(([name, digest]) => [name ?? digest, digest]));
  assert.deepEqual(
    names,
    new Map([
      ["team/app:v1", one.digest],
      [attached.digest, attached.digest],
      [onAttached.digest, onAttached.digest],
      ["team/app:v2", two.digest],
      ["tools/lint:v1", elsewhere.digest],
    ]),
  );
  await assertWhole(layout, attached, onAttached, elsewhere);
  // Deleted content is imported again; attached content has no name, and needs one as its target.
  await client.delete(`/v2/team/app/manifests/${one.digest}`);
  await client.delete("/v2/tools/lint/manifests/v1");
  const back = await gantry(root, ["import", "--from-oci", layout, "--json"]);
  assert.equal(back.code, 0, back.stderr);
  const { odd, tags } = back.json<ImportReport>();
  assert.deepEqual([tags.imported, tags.there, odd.length], [2, 1, 2]);
  assert.ok((await client.get("/v2/tools/lint/manifests/v1")).body.equals(elsewhere.bytes));
  assert.ok((await client.get("/v2/team/app/manifests/v1")).body.equals(one.bytes));
  await server.stop();
});

test("referrers are imported with their image", async () => {
  const { root, server } = await filled();
  await server.stop();
  const layout = await newFolder();
  assert.equal(
    (await exported(root, "--referrers", `team/app@${many.digest}`, "team/app:v1", layout)).code,
    0,
  );
  const target = await newFolder();
  const ran = await gantry(target, ["import", "--from-oci", layout, "--as", "app"]);
  assert.equal(ran.code, 0, ran.stdout);
  await using imported = await startInside({}, target);
  const client = new Client(imported.url);
  for (const [subject, referrer] of [
    [one, attached],
    [attached, onAttached],
  ] as const) {
    const { manifests } = (await client.get(`/v2/app/referrers/${subject.digest}`)).json() as Index;
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [referrer.digest],
    );
  }
});

test("the only image of a layout gets the requested tag", async () => {
  const { root, server } = await filled();
  await server.stop();
  const [single, several] = [await newFolder(), await newFolder()];
  await exported(root, "--referrers", "team/app:v1", single);
  await exported(root, "team/app", several);
  const target = await newFolder();
  assert.equal((await gantry(target, ["import", "--from-oci", single, "--as", "app:new"])).code, 0);
  const refused = await gantry(target, ["import", "--from-oci", several, "--as", "app:new"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /has 3 images instead of one/);
  await using imported = await startInside({}, target);
  const client = new Client(imported.url);
  assert.deepEqual((await client.get("/v2/app/tags/list")).json(), { name: "app", tags: ["new"] });
});

test("an import without --as fails for images that are not named NAME:TAG, and imports the others", async () => {
  const { root, server } = await filled();
  await server.stop();
  const [byTag, byDigest] = [await newFolder(), await newFolder()];
  await exported(root, "team/app:v1", byTag);
  await exported(root, `team/app@${two.digest}`, byDigest);
  const target = await newFolder();
  for (const [layout, said] of [
    [byTag, `${one.digest}: v1: not imported, because it is not named NAME:TAG`],
    [byDigest, `${two.digest}: not imported, because it is not named NAME:TAG`],
  ] as const) {
    const { code, stdout } = await gantry(target, ["import", "--from-oci", layout]);
    assert.deepEqual([code, stdout.includes(said)], [1, true], stdout);
    assert.match(stdout, /\n1 problem, /);
  }
  // Names with their repositories, beside the one that has none.
  await exported(root, "team/app:v2", "tools/lint:v1", byTag);
  const { code, stdout } = await gantry(target, ["import", "--from-oci", byTag]);
  assert.equal(code, 1);
  assert.match(stdout, /2 manifests and 2 tags imported/);
});

test("an export to a place where no folder can be written says what to do", async () => {
  const { root, server } = await filled();
  const file = join(await newFolder(), "file");
  await writeFile(file, "");
  const blocked = await newFolder();
  await writeFile(join(blocked, "blobs"), "");
  for (const [place, cause] of [
    [file, "EEXIST"],
    [join(file, "below"), "ENOTDIR"],
    ["/proc/gantry-export", "ENOENT"],
    [blocked, "ENOTDIR"],
  ] as const) {
    const { code, stdout, stderr } = await gantry(root, ["export", "team/app:v1", place]);
    assert.deepEqual([code, stdout], [1, ""]);
    const said = `gantry: nothing can be exported to the folder ${place}: name another one: ${cause}`;
    assert.ok(stderr.startsWith(said), stderr);
  }
  await server.stop();
});

test("an incomplete image is reported and not added to the layout's index", async () => {
  const { root, server } = await filled();
  await server.stop();
  const [, layer] = two.blobs;
  assert.ok(layer);
  const content = (digest: string) => `${root}/content/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`;
  await unlink(`${root}/blobs/team/app/${layer.digest}`);
  await truncate(content(large.digest), 100);
  const layout = await newFolder();
  const report = await exported(root, "team/app", "tools/lint:v1", "nothing:v1", layout);
  assert.equal(report.code, 1);
  assert.deepEqual(report.unmet, ["nothing:v1"]);
  assert.deepEqual(report.problems.map(({ tag }) => tag).sort(), ["all", "v1", "v2"]);
  assert.match(
    report.problems.find(({ tag }) => tag === "v2")?.what ?? "",
    new RegExp(`no blob ${layer.digest}`),
  );
  assert.match(report.problems.find(({ tag }) => tag === "v1")?.what ?? "", /do not match the digest/);
  assert.deepEqual(await named(layout), [["tools/lint:v1", elsewhere.digest]]);
  await assertWhole(layout);
});

test("the intact part of a damaged layout is imported", async () => {
  const { root, server } = await filled();
  await server.stop();
  const layout = await newFolder();
  await exported(root, "team/app", layout);
  await writeFile(`${layout}/blobs/${large.digest.replace(":", "/")}`, Buffer.alloc(large.bytes.length));
  const target = await newFolder();
  const ran = await gantry(target, ["import", "--from-oci", layout, "--as", "app", "--json"]);
  assert.equal(ran.code, 1);
  const { problems, tags } = ran.json<ImportReport>();
  assert.equal(tags.imported, 1);
  assert.ok(
    problems.some(({ digest, what }) => digest === large.digest && /do not match the digest/.test(what)),
  );
  assert.deepEqual(problems.flatMap(({ tag }) => tag ?? []).sort(), ["all", "v1"]);
  assert.deepEqual((await storedBelow(`${target}/uploads`)).length, 0, "nothing of it remains");
});

test("a layout's manifest with a wrong size is imported with a warning, and a cut blob is not", async () => {
  const layout = await newFolder();
  const layer = blobOf(1000);
  const odd = image({ layers: [{ ...descriptorOf(layer, types.layer), size: 999 }] });
  const [config] = odd.blobs;
  assert.ok(config);
  const put = async ({ digest, bytes }: Blob) => write(`${layout}/blobs/${digest.replace(":", "/")}`, bytes);
  for (const made of [layer, config, odd]) await put(made);
  await write(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { ...describe(odd), annotations: { [refName]: "v1" } };
  await write(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  const runImport = async (target: string, ...flags: string[]) => {
    const ran = await gantry(target, ["import", "--from-oci", layout, "--as", "app", "--json", ...flags]);
    return { code: ran.code, ...ran.json<ImportReport>() };
  };
  const target = await newFolder();
  const dry = await runImport(target, "--dry-run");
  assert.deepEqual([dry.code, dry.warnings.map(({ digest }) => digest)], [0, [layer.digest]]);
  const { code, problems, tags, warned, warnings } = await runImport(target);
  assert.deepEqual([code, problems, tags.imported, warned], [0, [], 1, 1]);
  assert.match(warnings[0]?.what ?? "", /size 999, but its content has 1000/);
  assert.equal((await gantry(target, ["verify"])).code, 0);
  await write(`${layout}/blobs/${layer.digest.replace(":", "/")}`, layer.bytes.subarray(0, 500));
  const cut = await runImport(await newFolder());
  assert.deepEqual([cut.code, cut.tags.imported, cut.warned], [1, 0, 0]);
  assert.ok(
    cut.problems.some(({ what }) => /has 500 bytes instead of 999, .*not match the digest/.test(what)),
    JSON.stringify(cut.problems),
  );
});

test("a layout's manifest with malformed media types is imported with a warning for each", async () => {
  const layout = await newFolder();
  const layer = blobOf(1000);
  const odd = image({ artifactType: "sbom", layers: [descriptorOf(layer, "no\u0007type")] });
  for (const { digest, bytes } of [layer, ...odd.blobs, odd])
    await write(`${layout}/blobs/${digest.replace(":", "/")}`, bytes);
  await write(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { ...describe(odd), annotations: { [refName]: "v1" } };
  await write(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  const target = await newFolder();
  const ran = await gantry(target, ["import", "--from-oci", layout, "--as", "app", "--json"]);
  const { problems, tags, warnings } = ran.json<ImportReport>();
  assert.deepEqual([ran.code, problems, tags.imported], [0, [], 1]);
  assert.deepEqual(
    warnings.map(({ digest, what }) => [digest, what.replace(/^.*: /, "")]),
    [
      [odd.digest, '"sbom"'],
      [odd.digest, '"no\\u0007type"'],
    ],
  );
  assert.equal((await gantry(target, ["verify"])).code, 0);
});

test("wrong usage is refused before any work", async () => {
  const folder = await newFolder();
  for (const [parameters, code, said] of [
    [["export", "team/app:v1"], 2, /FOLDER/i],
    [["export", ":v1", folder], 2, /is not a reference: write NAME/],
    [["export", "app@sha256:12", folder], 2, /is not a digest/],
    [["import", "--from-oci", folder, "--from-distribution", folder], 2, /give one of/],
    [["import", "--from-oci", folder, "--rate", "1MiB"], 2, /--rate cannot be combined with --from-oci/],
    [["import", "--from-oci", folder, "--as", "No"], 2, /not a repository name/],
    [["import", "--from-registry", "registry.example.com"], 2, /is not a URL such as https/],
    [["import", "--from-registry", "https://h", "--rate", "fast"], 2, /such as 50MiB/],
    [["import", "--from-registry", "https://h", "--username", "me"], 2, /must be given together/],
    [["import", "--from-oci", folder, "--as", "app"], 1, /there is no OCI layout/],
  ] as const) {
    const ran = await gantry(folder, parameters);
    assert.deepEqual([ran.code, ran.stdout], [code, ""], parameters.join(" "));
    assert.match(ran.stderr, said);
  }
});

test("a layout whose manifests are null is empty", async () => {
  const folder = await newFolder();
  await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(folder, "index.json"), '{"schemaVersion":2,"manifests":null}');
  const ran = await gantry(await newFolder(), ["import", "--from-oci", folder, "--as", "a", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.json<ImportReport>().manifests.imported, 0);
});
