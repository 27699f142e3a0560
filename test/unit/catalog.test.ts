// The catalog in parts is complete, with any size of parts, and whether or not the previous walk is continued.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import type { CatalogTask } from "../../src/storage/filesystem/survey-protocol.js";
import { Catalog } from "../../workers/survey/catalog.js";
import { measureFiles } from "../../workers/survey/measure.js";
import { blobOf } from "../support/content.js";

/** In order. */
const names = ["a", "a-b/c", "a/b", "a/b/c/d", "a/tags", "b", "c/d", "c0"];
const onlyBlobs = ["a/b/e", "d"];

const root = await mkdtemp(join(tmpdir(), "gantry-catalog-"));
after(() => rm(root, { recursive: true, force: true }));
const layout = new Layout(root);
for (const name of [...names, ...onlyBlobs].map(parseRepositoryName))
  await mkdir(layout.blob(name, parseDigest(blobOf(name).digest)), { recursive: true });
for (const name of names.map(parseRepositoryName)) await mkdir(layout.tags(name), { recursive: true });

function inParts(
  catalog: Catalog,
  of: CatalogTask["of"],
  namesMax: number,
  walk: number | undefined,
): string[] {
  const all: string[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const { names, more, failures } = catalog.part({ of, after, namesMax, walk });
    assert.deepEqual(failures, []);
    assert.ok(names.length === namesMax || !more);
    all.push(...names);
    after = more ? names.at(-1) : undefined;
  }
  return all;
}

for (const [of, expected] of [
  ["manifests", names],
  ["blobs", onlyBlobs],
] as const) {
  test(`parts of any size yield each repository once: ${of}`, () => {
    const catalog = new Catalog(layout);
    for (let namesMax = 1; namesMax <= expected.length + 1; namesMax++) {
      assert.deepEqual(inParts(catalog, of, namesMax, undefined), expected);
      assert.deepEqual(inParts(catalog, of, namesMax, namesMax), expected);
    }
  });
}

test("a walk continues after its last name, even if it was left or evicted by others", () => {
  const catalog = new Catalog(layout);
  const part = (walk: number, after: string) =>
    catalog.part({ of: "manifests", after, namesMax: 2, walk }).names;
  assert.deepEqual(part(0, ""), names.slice(0, 2));
  for (let other = 1; other < 50; other++) part(other, "");
  assert.deepEqual(part(0, "a-b/c"), names.slice(2, 4));
  catalog.leave(0);
  assert.deepEqual(part(0, "a/b/c/d"), names.slice(4, 6));
});

test("an unreadable folder is reported and hides no others", async () => {
  const odd = new Layout(await mkdtemp(join(tmpdir(), "gantry-catalog-")));
  after(() => rm(odd.root, { recursive: true, force: true }));
  await mkdir(`${odd.manifestsRoot}/a/tags`, { recursive: true });
  await mkdir(`${odd.manifestsRoot}/b`);
  await symlink("tags", `${odd.manifestsRoot}/b/tags`);
  await mkdir(`${odd.manifestsRoot}/c/tags`, { recursive: true });
  const { names, failures } = new Catalog(odd).part({
    of: "manifests",
    after: "",
    namesMax: 9,
    walk: undefined,
  });
  assert.deepEqual(names, ["a", "c"]);
  assert.deepEqual(
    failures.map(({ path, code }) => [path, code]),
    [[`${odd.manifestsRoot}/b`, "ELOOP"]],
  );
});

test("an object that is not a file has no size, and a missing one no links", () => {
  const measures = measureFiles({ folder: root, files: ["blobs", "nothing"] });
  assert.deepEqual([...measures], [Number.NaN, Number.NaN, Number.NaN, 0, 0, 0]);
});
