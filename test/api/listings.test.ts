// end-8 and the catalog: sorted, paginated, and only existing entries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, type Client, nextOf, serve } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";

const { client } = await serve();
const catalog = await serve();

interface Listing {
  readonly name?: string;
  readonly tags?: string[];
  readonly repositories?: string[];
}

async function list(
  path: string,
  at: Client = client,
): Promise<{ items: string[]; next: string | undefined }> {
  const answer = await at.get(path);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers["content-type"], "application/json");
  const { tags, repositories } = answer.json() as Listing;
  return { items: tags ?? repositories ?? [], next: nextOf(answer) };
}

async function pages(path: string, at: Client = client): Promise<string[][]> {
  const all: string[][] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const page: Awaited<ReturnType<typeof list>> = await list(next, at);
    all.push(page.items);
    next = page.next;
    assert.ok(all.length < 100);
  }
  return all;
}

const name = newName("tagged/below");
/** In ASCII order: digits, capitals, the underscore, small letters. */
const tags = ["0", "10", "9", "A", "B.1", "_x", "a", "a-1", "a.1", "b", "latest", "z"];
const picture = image();
await client.pushBlobs(name, ...picture.blobs);
for (const tag of [...tags].reverse()) await client.pushImage(name, picture, tag);

/** In ASCII order of the whole names, where `-` < `.` < `/` < `0`. */
const repositories = [
  "a",
  "a-b",
  "a.b",
  "a/b",
  "a/b/c",
  "a/tags",
  "a/tags/b",
  "a0",
  "ab/c",
  "b",
  "tags",
  "tags/tags",
];
for (const repository of [...repositories].reverse()) {
  await catalog.client.pushImage(repository, picture, "tags");
}
await catalog.client.pushBlobs("only/blobs", blobOf(1));

test("all tags are listed in ASCII order, with the repository's name", async () => {
  for (let time = 0; time < 2; time++) {
    const answer = await client.get(`/v2/${name}/tags/list`);
    assert.deepEqual(answer.json(), { name, tags });
    assert.equal(nextOf(answer), undefined);
  }
  const head = await client.head(`/v2/${name}/tags/list`);
  assert.deepEqual([head.status, head.body.length], [200, 0]);
});

const questions: readonly [query: string, items: string[], next: boolean][] = [
  ["n=3", tags.slice(0, 3), true],
  [`n=${tags.length}`, tags, false],
  ["n=1000", tags, false],
  ["n=999999999999", tags, false],
  ["n=0", [], false],
  ["n=0&last=a", [], false],
  ["n=2&last=A", tags.slice(4, 6), true],
  ["last=a.1", tags.slice(9), false],
  ["n=2&last=c", ["latest", "z"], false],
  ["n=1&last=latest", ["z"], false],
  ["n=5&last=z", [], false],
  ["n=5&last=zzz", [], false],
  ["n=&last=", tags, false],
  ["ns=docker.io", tags, false],
];
for (const [query, items, more] of questions) {
  test(`tags/list?${query} lists ${items.length} tags${more ? " and a Link to more" : ""}`, async () => {
    const page = await list(`/v2/${name}/tags/list?${query}`);
    assert.deepEqual(page.items, items);
    assert.equal(page.next !== undefined, more);
  });
}

test("following Link yields each tag once", async () => {
  for (const n of [1, 5, 12]) {
    const all = await pages(`/v2/${name}/tags/list?n=${n}`);
    assert.deepEqual(all.flat(), tags);
    assert.ok(all.every((page) => page.length <= n));
  }
});

test("a created or deleted tag is listed or not at once", async () => {
  const changing = newName();
  const tagsNow = async () => (await list(`/v2/${changing}/tags/list`)).items;
  await client.pushImage(changing, picture, "m");
  assert.deepEqual(await tagsNow(), ["m"]);
  await client.pushImage(changing, picture, "a");
  await client.pushImage(changing, picture, "z");
  await client.pushImage(changing, picture, "m");
  assert.deepEqual(await tagsNow(), ["a", "m", "z"]);
  await client.delete(`/v2/${changing}/manifests/m`);
  assert.deepEqual(await tagsNow(), ["a", "z"]);
});

test("a repository with untagged manifests has an empty list, an unknown one is unknown", async () => {
  const untagged = newName();
  await client.pushImage(untagged, picture);
  assert.deepEqual((await client.get(`/v2/${untagged}/tags/list`)).json(), { name: untagged, tags: [] });
  assertError(await client.get(`/v2/${newName("new")}/tags/list`), 404, "NAME_UNKNOWN");
});

test("the catalog lists repositories with manifests in ASCII order of their names", async () => {
  const answer = await catalog.client.get("/v2/_catalog");
  assert.deepEqual(answer.json(), { repositories });
  const head = await catalog.client.head("/v2/_catalog");
  assert.deepEqual([head.status, head.body.length], [200, 0]);
});

test("following Link through the catalog yields each repository once, with any page size", async () => {
  for (let n = 1; n <= repositories.length; n++) {
    const all = await pages(`/v2/_catalog?n=${n}`, catalog.client);
    assert.deepEqual(all.flat(), repositories);
    assert.ok(all.every((page) => page.length <= n));
  }
});

test("the catalog continues after any text", async () => {
  const lasts = [
    ...repositories,
    "a-",
    "a/",
    "a/a",
    "a/tag",
    "a/b/",
    "A",
    "zz",
    "a/b/c/d",
    "0",
    "é",
    "_tags",
  ];
  for (const last of lasts) {
    const { items } = await list(`/v2/_catalog?last=${encodeURIComponent(last)}`, catalog.client);
    assert.deepEqual(
      items,
      repositories.filter((repository) => repository > last),
      last,
    );
  }
  assert.deepEqual(await list("/v2/_catalog?n=0", catalog.client), { items: [], next: undefined });
});

for (const path of [`/v2/${name}/tags/list`, "/v2/_catalog"]) {
  for (const n of ["-1", "x", "1.5", "1e3", "0x10", "%2B1", " 1", "9".repeat(30), "1,2", "NaN"]) {
    test(`${path.replace(/^.*\//, "…/")}?n=${n.slice(0, 8)} is refused`, async () => {
      assertError(await client.get(`${path}?n=${encodeURI(n)}`), 400, "PAGINATION_NUMBER_INVALID");
    });
  }
}
