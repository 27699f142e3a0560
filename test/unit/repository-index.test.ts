// The index of repositories: complete, current and limited to what the caller may see, with or without time to wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openPolicy } from "../../src/auth/policy.js";
import { CatalogCopy } from "../../src/browse/catalog-copy.js";
import { cursorOf } from "../../src/browse/namespace-level.js";
import { type NamespacePage, RepositoryIndex } from "../../src/browse/repository-index.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import { Deadline } from "../../src/lib/deadline.js";
import { Slices } from "../../src/lib/slices.js";
import { UntaggedPushes } from "../../src/registry/untagged-pushes.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import type { Storage } from "../../src/storage/storage.js";
import { catalogOf, patience, policyOf, store } from "../support/browsing.js";
import { memoryStorage } from "../support/memory-storage.js";
import { eventually } from "../support/store.js";

const everything = catalogOf(openPolicy);
const tag = parseTag("latest");

interface World {
  readonly cluster: MemoryCluster;
  readonly data: MemoryData;
  readonly storage: Storage;
  readonly catalog: CatalogCopy;
  readonly index: RepositoryIndex;
  readonly errors: unknown[];
}

async function worldOf(names: readonly string[], storageOf = (storage: Storage) => storage): Promise<World> {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const data = new MemoryData();
  const storage = storageOf(memoryStorage(data));
  for (const name of names) await store(storage, name);
  const errors: unknown[] = [];
  const catalog = new CatalogCopy(storage, cluster.node().changes, {
    onError: (error) => void errors.push(error),
  });
  return { cluster, data, storage, catalog, index: new RepositoryIndex(catalog, new Slices()), errors };
}

function shortly({ entries }: Pick<NamespacePage, "entries">): string[] {
  return entries.map((entry) =>
    entry.kind === "repository" ? entry.name : `${entry.path}/ ${entry.repositories ?? "?"}`,
  );
}

async function root({ index, catalog }: World, permit = everything): Promise<string[]> {
  await catalog.refresh();
  const page = await index.namespace(permit, { namespace: "", n: 100, last: "" }, patience());
  assert.ok(page.complete);
  return shortly(page);
}

const some = ["alone", "team", "team/a", "team/b", "team/deep/c", "x/y"];

test("the root has repositories and namespaces with the number of repositories below", async () => {
  const world = await worldOf(some);
  assert.deepEqual(await root(world), ["alone", "team", "team/ 3", "x/ 1"]);
  const query = { namespace: "team", n: 2, last: "" };
  const page = await world.index.namespace(everything, query, patience());
  assert.deepEqual(shortly(page), ["team/a", "team/b"]);
  assert.equal(page.repositories, 3);
  const next = await world.index.namespace(everything, { ...query, last: page.next ?? "" }, patience());
  assert.deepEqual([shortly(next), next.next], [["team/deep/ 1"], undefined]);
});

test("a level has the repository of its name, if the caller may see it", async () => {
  const { index, catalog } = await worldOf(some);
  await catalog.refresh();
  const ownOf = async (namespace: string, permit = everything) =>
    (await index.namespace(permit, { namespace, n: 2, last: "" }, patience())).own;
  assert.equal(await ownOf("team"), "team");
  assert.equal(await ownOf("team/a"), "team/a");
  for (const namespace of ["", "x", "team/", "team/aa", "zzz"])
    assert.equal(await ownOf(namespace), undefined);
  assert.equal(await ownOf("team/a", catalogOf(policyOf("alone"))), undefined);
});

test("a caller sees neither names nor numbers of what the policy hides", async () => {
  const world = await worldOf(some);
  assert.deepEqual(await root(world, catalogOf(policyOf("team/a", "team/deep/**"))), ["team/ 2"]);
  const permit = catalogOf(policyOf("team/a"));
  const page = await world.index.namespace(permit, { namespace: "", n: 100, last: "" }, patience());
  assert.equal(page.repositories, 1);
  const found = await world.index.search(permit, { text: "e", n: 100 }, patience());
  assert.deepEqual(found, { names: ["team/a"], more: false, tooMany: false, complete: true });
});

test("a changed policy applies to the next page", async () => {
  const world = await worldOf(some);
  assert.deepEqual(await root(world, catalogOf(policyOf("team/*"))), ["team/ 2"]);
  assert.deepEqual(await root(world, catalogOf(policyOf("x/*"))), ["x/ 1"]);
});

test("pushes and removals by any node appear, also for a caller who sees a part", async () => {
  const world = await worldOf(some);
  const permit = catalogOf(policyOf("team/*", "new"));
  assert.deepEqual(await root(world, permit), ["team/ 2"]);
  const elsewhere = world.cluster.node().changes;
  for (const name of ["new", "other", "team/new"].map(parseRepositoryName)) {
    await store(world.storage, name);
    await elsewhere.publish({ kind: "tag-pointed", name, tag });
  }
  assert.deepEqual(await root(world), ["alone", "new", "other", "team", "team/ 4", "x/ 1"]);
  assert.deepEqual(await root(world, permit), ["new", "team/ 3"]);
  const gone = parseRepositoryName("team/a");
  world.data.repositories.delete(gone);
  await elsewhere.publish({ kind: "repository-emptied", name: gone });
  const found = await eventually("the removal", async () => {
    const names = await root(world, permit);
    return names.includes("team/ 2") ? names : undefined;
  });
  assert.deepEqual(found, ["new", "team/ 2"]);
});

test("a repository that was not emptied after all stays", async () => {
  const world = await worldOf(some);
  await root(world);
  const name = parseRepositoryName("x/y");
  await world.cluster.node().changes.publish({ kind: "repository-emptied", name });
  await new Promise(setImmediate);
  assert.ok((await root(world)).includes("x/ 1"));
});

test("a push without a tag tells all nodes of its repository, and not each time", async () => {
  const world = await worldOf(some);
  await root(world);
  const { changes } = world.cluster.node();
  let told = 0;
  changes.subscribe(() => {
    told++;
    return undefined;
  });
  const pushes = new UntaggedPushes(changes);
  for (let push = 0; push < 100; push++) pushes.note(parseRepositoryName("pushed"));
  assert.ok((await root(world)).includes("pushed"));
  assert.equal(told, 1);
  await eventually("the last push", () => (told === 2 ? true : undefined));
});

test("after lost changes all names are read again, and the old ones are shown meanwhile", async () => {
  const world = await worldOf(some);
  await root(world);
  await store(world.storage, "unseen");
  await world.cluster.lose();
  const query = { namespace: "", n: 100, last: "" };
  const page = await world.index.namespace(everything, query, new Deadline(0));
  assert.equal(page.complete, false);
  assert.deepEqual(shortly(page), ["alone", "team", "team/ 3", "x/ 1"]);
  assert.ok((await root(world)).includes("unseen"));
});

/** A storage whose catalog waits before each name from `stop` on until it is opened. */
function waitingAt(stop: string) {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const wrap = (storage: Storage): Storage => ({
    ...storage,
    repositories: {
      ...storage.repositories,
      list: async function* (after = "", atOnce?: number): AsyncGenerator<RepositoryName, void> {
        for await (const name of storage.repositories.list(after, atOnce)) {
          if (after === "" && name >= stop) await opened;
          yield name;
        }
      },
    },
  });
  return { wrap, open: () => open() };
}

test("while names are read, a page has what is known and what a walk finds, without numbers", async () => {
  const { wrap, open } = waitingAt("team/b");
  const world = await worldOf(some, wrap);
  const loading = world.catalog.refresh();
  await new Promise(setImmediate);
  const query = { namespace: "", n: 100, last: "" };
  const page = await world.index.namespace(everything, query, patience());
  assert.deepEqual(shortly(page), ["alone", "team", "team/ ?", "x/ ?"]);
  assert.deepEqual([page.complete, page.repositories], [false, undefined]);
  const hidden = await world.index.namespace(
    catalogOf(policyOf("team/*")),
    { ...query, namespace: "team" },
    patience(),
  );
  assert.deepEqual([shortly(hidden), hidden.complete], [["team/a", "team/b"], false]);
  // Pushed before the reading has reached its place, but after it has listed the folder.
  const changes = world.cluster.node().changes;
  await changes.publish({ kind: "tag-pointed", name: parseRepositoryName("zoo"), tag });
  await changes.publish({ kind: "tag-pointed", name: parseRepositoryName("ant"), tag });
  open();
  await loading;
  assert.deepEqual(await root(world), ["alone", "ant", "team", "team/ 3", "x/ 1", "zoo"]);
});

test("a storage that does not answer delays no page beyond its deadline", async () => {
  const { wrap } = waitingAt("");
  const world = await worldOf(some, wrap);
  const begin = performance.now();
  const page = await world.index.namespace(everything, { namespace: "", n: 100, last: "" }, new Deadline(20));
  assert.deepEqual([page.entries, page.complete], [[], false]);
  assert.ok(performance.now() - begin < 2_000);
});

test("a storage that fails is reported, and asked again later", async () => {
  let fails = true;
  const world = await worldOf(some, (storage) => ({
    ...storage,
    repositories: {
      ...storage.repositories,
      list: async function* (after?: string): AsyncGenerator<RepositoryName, void> {
        if (fails && after === undefined) throw new Error("failed");
        yield* storage.repositories.list(after);
      },
    },
  }));
  const page = await world.index.namespace(everything, { namespace: "", n: 100, last: "" }, patience());
  assert.deepEqual([page.complete, world.errors.length], [false, 1]);
  assert.deepEqual(shortly(page), ["alone", "team", "team/ ?", "x/ ?"]);
  fails = false;
  await world.catalog.refresh();
  assert.ok(!world.catalog.isComplete, "too soon");
});

test("names beyond the memory are found by walking", async () => {
  const world = await worldOf(some);
  const catalog = new CatalogCopy(world.storage, world.cluster.node().changes, {
    onError: (error) => assert.fail(String(error)),
    bytesMax: 50,
  });
  const index = new RepositoryIndex(catalog, new Slices());
  await catalog.refresh();
  assert.deepEqual(catalog.names, ["alone", "team"]);
  const page = await index.namespace(everything, { namespace: "", n: 3, last: "" }, patience());
  assert.deepEqual(shortly(page), ["alone", "team", "team/ ?"]);
  const next = await index.namespace(everything, { namespace: "", n: 3, last: page.next ?? "" }, patience());
  assert.deepEqual([shortly(next), next.complete], [["x/ ?"], true]);
  assert.deepEqual([page.tooMany, next.tooMany], [true, true], "the numbers can never become known");
  const found = await index.search(everything, { text: "a", n: 9 }, patience());
  assert.deepEqual([found.names, found.tooMany, found.complete], [["alone", "team"], true, true]);
  const permit = catalogOf(policyOf("team/**"));
  const below = await index.namespace(permit, { namespace: "team", n: 9, last: "" }, patience());
  assert.deepEqual(shortly(below), ["team/a", "team/b", "team/deep/ ?"]);
});

test("pushes do not add more names than fit: the last ones are dropped, and found by walking", async () => {
  const world = await worldOf(["alone", "team/a"]);
  const { changes } = world.cluster.node();
  const bytesMax = 200;
  const catalog = new CatalogCopy(world.storage, changes, {
    onError: (error) => assert.fail(String(error)),
    bytesMax,
  });
  const index = new RepositoryIndex(catalog, new Slices());
  await catalog.refresh();
  const permit = catalogOf(policyOf("**"));
  const query = { namespace: "", n: 100, last: "" };
  for (const caller of [everything, permit])
    assert.deepEqual(shortly(await index.namespace(caller, query, patience())), ["alone", "team/ 1"]);
  for (let number = 0; number < 20; number++) {
    const name = parseRepositoryName(`new/${number}`);
    await store(world.storage, name);
    await changes.publish({ kind: "tag-pointed", name, tag });
    assert.ok(catalog.bytes <= bytesMax);
  }
  assert.equal(catalog.knownTo, catalog.names.at(-1));
  for (const caller of [everything, permit]) {
    const page = await index.namespace(caller, query, patience());
    assert.deepEqual(shortly(page), ["alone", "new/ ?", "team/ ?"]);
    assert.deepEqual([page.repositories, page.tooMany, page.complete], [undefined, true, true]);
  }
});

test("the storage is asked about few repositories at a time", async () => {
  const names = Array.from({ length: 100 }, (_, number) => parseRepositoryName(`r${number}`));
  let running = 0;
  let most = 0;
  const world = await worldOf(names, (storage) => ({
    ...storage,
    tags: new Proxy(storage.tags, {
      get: (tags, key: keyof Storage["tags"]) =>
        key !== "list"
          ? (tags[key] as () => unknown).bind(tags)
          : async (name: RepositoryName) => {
              most = Math.max(most, ++running);
              await new Promise(setImmediate);
              running--;
              return tags.list(name);
            },
    }),
  }));
  await root(world);
  const { changes } = world.cluster.node();
  for (const name of names.slice(1)) {
    world.data.repositories.delete(name);
    await changes.publish({ kind: "repository-emptied", name });
  }
  await eventually("the removals", () => (world.catalog.names.length === 1 ? true : undefined));
  assert.equal(most, 8);
});

test("a search finds whole components first, in any case", async () => {
  const world = await worldOf(["my-app", "app", "b/app", "b/apple", "c/snapper", "other"]);
  await root(world);
  const found = await world.index.search(everything, { text: " APP", n: 4 }, patience());
  const names = ["app", "b/app", "b/apple", "c/snapper"];
  assert.deepEqual(found, { names, more: true, tooMany: false, complete: true });
  for (const [text, names] of [
    ["nothing", []],
    ["", []],
    ["b/app", ["b/app", "b/apple"]],
  ] as const)
    assert.deepEqual((await world.index.search(everything, { text, n: 9 }, patience())).names, names);
});

test("a search ends with the request", async () => {
  const world = await worldOf(some);
  await root(world);
  const gone = new AbortController();
  gone.abort(new Error("gone"));
  const search = world.index.search(everything, { text: "a", n: 9 }, new Deadline(1_000, gone.signal));
  await assert.rejects(search, /gone/);
});

test("cursors are those of the entries", () => {
  assert.equal(cursorOf({ kind: "namespace", path: "a/b", repositories: 1 }), "a/b/");
});
