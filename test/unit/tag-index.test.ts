// Pages of tags: in every order, current on every node, and useful before all tags have been read.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ownGate } from "../../src/auth/own-gate.js";
import { TagIndex, type TagPage, type TagQuery } from "../../src/browse/tag-index.js";
import { TagTables } from "../../src/browse/tag-tables.js";
import { Caches } from "../../src/cache/caches.js";
import { followChanges } from "../../src/cache/follow-changes.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { nameMatcher } from "../../src/domain/patterns.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Pulls } from "../../src/gc/pulls.js";
import { noTagPolicy, type TagPolicy } from "../../src/gc/retention.js";
import { Deadline } from "../../src/lib/deadline.js";
import { Slices } from "../../src/lib/slices.js";
import type { Services } from "../../src/registry/services.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import type { Storage } from "../../src/storage/storage.js";
import { alice, patience, store } from "../support/browsing.js";
import { digestOf, image } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";
import { opening } from "../support/opening.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.pull(alice, name);
const day = 86_400_000;

interface Options {
  readonly policy?: TagPolicy;
  readonly tagsMax?: number;
  readonly storageOf?: (storage: Storage) => Storage;
}

/** Tags with the days since their push. */
async function worldOf(ages: Readonly<Record<string, number>>, options: Options = {}) {
  const { policy = noTagPolicy, tagsMax = 1_000, storageOf = (storage) => storage } = options;
  const now = Date.now();
  const data = new MemoryData();
  const storage = storageOf(memoryStorage(data));
  const of = image();
  for (const [tag, days] of Object.entries(ages))
    await store(storage, name, { tag, pushedAt: now - days * day, of });
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const { changes } = cluster.node();
  const caches = new Caches(storage, changes);
  followChanges(caches, changes);
  const errors: unknown[] = [];
  const slices = new Slices();
  const tables = new TagTables(storage.tags, changes, {
    slices,
    onError: (error) => void errors.push(error),
    tagsMax,
  });
  const pulls = new Pulls();
  const rules = { tagPolicy: policy };
  const services = { storage, caches, pulls, rules: rules as Services["rules"] };
  const index = new TagIndex(services, tables, slices);
  const page = (query: Partial<TagQuery> = {}, deadline = patience()) =>
    index.page(permit, { order: "newest", filter: "", page: 1, n: 100, ...query }, deadline);
  const elsewhere = cluster.node().changes;
  const digest = digestOf(of.bytes);
  return { data, storage, cluster, tables, pulls, rules, page, elsewhere, errors, digest, now };
}

function tagsIn({ tags }: TagPage): string[] {
  return tags.map(({ tag }) => tag);
}

const ages = { "1.10.0": 5, "1.9.0": 1, latest: 0.5, "1.10.0-rc.1": 7, main: 3 };

const orders: readonly [query: Partial<TagQuery>, tags: string[]][] = [
  [{ order: "newest" }, ["latest", "1.9.0", "main", "1.10.0", "1.10.0-rc.1"]],
  [{ order: "oldest" }, ["1.10.0-rc.1", "1.10.0", "main", "1.9.0", "latest"]],
  [{ order: "name" }, ["1.10.0", "1.10.0-rc.1", "1.9.0", "latest", "main"]],
  [{ order: "version" }, ["1.10.0", "1.10.0-rc.1", "1.9.0", "latest", "main"]],
  [{ order: "version", filter: "1.1" }, ["1.10.0", "1.10.0-rc.1"]],
  [{ filter: "LAT" }, ["latest"]],
  [{ filter: "nothing" }, []],
  [{ n: 2, page: 2 }, ["main", "1.10.0"]],
  [{ n: 2, page: 3 }, ["1.10.0-rc.1"]],
  [{ n: 2, page: 99 }, ["1.10.0-rc.1"]],
];
for (const [query, tags] of orders) {
  test(`tags: ${JSON.stringify(query)}`, async () => {
    const world = await worldOf(ages);
    const page = await world.page(query);
    assert.deepEqual([tagsIn(page), page.order, page.complete], [tags, query.order ?? "newest", true]);
    assert.equal(page.total, 5);
  });
}

test("a page tells where it is and what each tag is", async () => {
  const world = await worldOf(ages);
  await world.storage.tags.setPulledAt(name, parseTag("main"), 1234);
  world.pulls.note(name, parseTag("latest"));
  const page = await world.page({ n: 3 });
  assert.deepEqual([page.page, page.pages, page.matching], [1, 2, 5]);
  const [latest, second, main] = page.tags;
  assert.deepEqual(main, {
    tag: "main",
    digest: world.digest,
    pushedAt: world.now - 3 * day,
    pulledAt: 1234,
    retention: { kind: "no-rule" },
  });
  assert.equal(second?.pulledAt, "never");
  assert.ok(typeof latest?.pulledAt === "number" && latest.pulledAt >= world.now);
});

test("a repository that is not there is unknown", async () => {
  const world = await worldOf({});
  await assert.rejects(world.page(), { kind: "name-unknown" });
});

test("changes by any node appear on the next page, in every order", async () => {
  const world = await worldOf(ages);
  for (const order of ["newest", "name", "version"] as const) await world.page({ order });
  const other = image();
  await store(world.storage, name, { tag: "1.9.0", of: other });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("1.9.0") });
  await store(world.storage, name, { tag: "2.0.0" });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("2.0.0") });
  await world.storage.tags.remove(name, parseTag("main"));
  await world.elsewhere.publish({ kind: "tag-removed", name, tag: parseTag("main") });
  const page = await world.page();
  assert.deepEqual([tagsIn(page).length, page.total, page.complete], [5, 5, true]);
  assert.equal(page.tags.find(({ tag }) => tag === "1.9.0")?.digest, digestOf(other.bytes));
  const versions = ["2.0.0", "1.10.0", "1.10.0-rc.1", "1.9.0", "latest"];
  assert.deepEqual(tagsIn(await world.page({ order: "version" })), versions);
  assert.deepEqual(tagsIn(await world.page({ order: "name" })), versions.toSorted());
});

test("any changes leave every order as if all tags were read again", async () => {
  const some = fc.array(fc.tuple(fc.constantFrom("a", "b", "1.0", "2.0", "v3"), fc.nat(20), fc.boolean()), {
    maxLength: 100,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(some, { maxLength: 4 }), async (rounds) => {
      const world = await worldOf({ keep: 30 });
      for (const order of ["newest", "version"] as const) await world.page({ order });
      for (const changes of rounds) {
        for (const [text, days, isThere] of changes) {
          const tag = parseTag(text);
          if (isThere) await store(world.storage, name, { tag, pushedAt: world.now - days * day });
          else await world.storage.tags.remove(name, tag);
          await world.elsewhere.publish({ kind: isThere ? "tag-pointed" : "tag-removed", name, tag });
        }
        const before = [await world.page(), await world.page({ order: "version" })];
        await world.cluster.lose();
        await world.page();
        await world.tables.ended(name);
        assert.deepEqual(before, [await world.page(), await world.page({ order: "version" })]);
      }
    }),
    { numRuns: 20 },
  );
});

test("after lost changes the tags are read again, and the old ones are shown meanwhile", async () => {
  const world = await worldOf(ages);
  await world.page();
  await store(world.storage, name, { tag: "unseen" });
  await world.cluster.lose();
  const page = await world.page();
  assert.equal(page.complete, false);
  await world.tables.ended(name);
  assert.equal(tagsIn(await world.page())[0], "unseen");
});

/** The tags of a storage, with some methods replaced. */
function tagsWith({ tags }: Storage, replaced: Partial<Storage["tags"]>): Storage["tags"] {
  return new Proxy(tags, {
    get: (_, key: keyof Storage["tags"]) => replaced[key] ?? tags[key].bind(tags),
  });
}

/** A storage whose reading of all tags waits until it is opened. */
function waiting() {
  const { opened, open } = opening();
  const storageOf = (storage: Storage): Storage => ({
    ...storage,
    tags: tagsWith(storage, {
      times: async function* (of, tags) {
        if (tags === undefined) await opened;
        yield* storage.tags.times(of, tags);
      },
    }),
  });
  return { storageOf, open };
}

test("until all tags are read, a page has the order of the names and everything about its own tags", async () => {
  const { storageOf, open } = waiting();
  const world = await worldOf(ages, { storageOf });
  const page = await world.page({ n: 2 }, new Deadline(1_000));
  assert.deepEqual([tagsIn(page), page.order, page.complete], [["1.10.0", "1.10.0-rc.1"], "name", false]);
  assert.deepEqual([page.total, page.pages], [5, 3]);
  assert.deepEqual(page.tags[0], {
    tag: "1.10.0",
    digest: world.digest,
    pushedAt: world.now - 5 * day,
    pulledAt: "never",
    retention: { kind: "no-rule" },
  });
  // Changed while they are read.
  await world.storage.tags.remove(name, parseTag("main"));
  await world.elsewhere.publish({ kind: "tag-removed", name, tag: parseTag("main") });
  open();
  await world.tables.ended(name);
  assert.deepEqual(tagsIn(await world.page()), ["latest", "1.9.0", "1.10.0", "1.10.0-rc.1"]);
});

test("a storage that does not answer delays no page beyond its deadline", async () => {
  const world = await worldOf(ages, {
    storageOf: (storage) => ({
      ...storage,
      tags: tagsWith(storage, { list: () => new Promise(() => {}) }),
    }),
  });
  const begin = performance.now();
  const page = await world.page({}, new Deadline(20));
  assert.deepEqual([page.tags, page.total, page.complete], [[], undefined, false]);
  assert.ok(performance.now() - begin < 2_000);
});

test("tables of more tags than fit are dropped, and one that is too large has the order of the names", async () => {
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`t${index}`, index]));
  const world = await worldOf(many, { tagsMax: 500 });
  await world.page();
  await world.tables.ended(name);
  const page = await world.page({ n: 1 });
  assert.deepEqual([page.order, page.total, page.tooMany], ["name", 600, true]);
  assert.equal(page.complete, true, "nothing more can become known");
  assert.equal(page.tags[0]?.tag, "t0");
  assert.equal(world.tables.get(name).table, undefined);
  const other = parseRepositoryName("other");
  await store(world.storage, other, { tag: "x" });
  world.tables.get(other);
  await world.tables.ended(other);
  assert.notEqual(world.tables.get(other).table, undefined);
});

test("a table is read again after more changes than it remembers, while it is kept and while it is read", async () => {
  const { storageOf, open } = waiting();
  const world = await worldOf(ages, { storageOf });
  const change = async (number: number) =>
    world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag(`t${number}`) });
  world.tables.get(name);
  for (let number = 0; number < 1_001; number++) await change(number);
  open();
  await world.tables.ended(name);
  assert.equal(world.tables.get(name).isCurrent, false);
  await world.tables.ended(name);
  const { table, isCurrent } = world.tables.get(name);
  assert.deepEqual([isCurrent, table?.isCurrent], [true, true]);
  for (let number = 0; number < 1_000; number++) await change(number);
  await change(0);
  assert.equal(world.tables.get(name).isCurrent, true);
  await change(1_000);
  assert.equal(world.tables.get(name).isCurrent, false);
  await world.tables.ended(name);
  assert.equal(world.tables.get(name).isCurrent, true);
  assert.notEqual(world.tables.get(name).table, table);
});

/** A storage that answers nothing about some tags until it is opened, and counts what it is asked. */
function slow() {
  const { opened, open } = opening();
  const asked = { times: 0, targets: 0 };
  const storageOf = (storage: Storage): Storage => ({
    ...storage,
    tags: tagsWith(storage, {
      times: async function* (of, tags) {
        if (tags === undefined) await new Promise(() => {});
        asked.times++;
        await opened;
        yield* storage.tags.times(of, tags);
      },
      targets: async function* (of, tags) {
        asked.targets++;
        await opened;
        yield* storage.tags.targets(of, tags);
      },
    }),
  });
  return { storageOf, asked, open };
}

test("what comes too late for one page is on the next, is read once, and is not taken for current", async () => {
  const { storageOf, asked, open } = slow();
  const world = await worldOf(ages, { storageOf });
  for (let reload = 0; reload < 3; reload++) {
    const page = await world.page({}, new Deadline(200));
    assert.deepEqual([page.total, page.tags[0]?.digest, page.tags[0]?.pulledAt], [5, undefined, undefined]);
  }
  assert.deepEqual(asked, { times: 1, targets: 1 });
  open();
  const page = await world.page({}, new Deadline(1_000));
  assert.deepEqual([page.tags[0]?.digest, page.tags[0]?.pulledAt], [world.digest, "never"]);
  assert.deepEqual(asked, { times: 1, targets: 1 });
});

test("targets that are older than the last change of a large repository do not complete its page", async () => {
  const { opened, open } = opening();
  const many = Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`t${index}`, index]));
  const world = await worldOf(many, {
    tagsMax: 500,
    storageOf: (storage) => ({
      ...storage,
      tags: tagsWith(storage, {
        targets: async function* (of, tags) {
          for await (const target of storage.tags.targets(of, tags)) {
            await opened;
            yield target;
          }
        },
      }),
    }),
  });
  world.tables.get(name);
  await world.tables.ended(name);
  assert.equal((await world.page({ n: 1 }, new Deadline(200))).complete, false);
  const other = image();
  await store(world.storage, name, { tag: "t0", of: other });
  await world.elsewhere.publish({ kind: "tag-pointed", name, tag: parseTag("t0") });
  open();
  const late = await world.page({ n: 1 });
  assert.deepEqual([late.tags[0]?.digest, late.complete], [world.digest, false]);
  const next = await world.page({ n: 1 });
  assert.deepEqual([next.tags[0]?.digest, next.complete], [digestOf(other.bytes), true]);
});

function patternOf(...patterns: string[]) {
  const matches = nameMatcher(patterns);
  return { matches: (_: unknown, tag: string) => matches(tag) };
}

test("a page tells how long each tag stays, counting the tags of other pages", async () => {
  const policy: TagPolicy = {
    immutable: [patternOf("v*")],
    retention: [{ pattern: patternOf("pr-*"), title: "pr", keepLast: 2, pushedWithinSeconds: 20 * 86_400 }],
  };
  const world = await worldOf({ v1: 90, main: 80, "pr-1": 30, "pr-2": 10, "pr-3": 2, "pr-4": 1 }, { policy });
  const kinds = ({ tags }: TagPage) => tags.map(({ tag, retention }) => `${tag} ${retention?.kind}`);
  assert.deepEqual(kinds(await world.page({ order: "oldest", n: 4 })), [
    "v1 immutable",
    "main no-rule",
    "pr-1 expired",
    "pr-2 until",
  ]);
  const page = await world.page({ order: "newest", n: 2 });
  assert.deepEqual(page.tags[1]?.retention, { kind: "among-last", rule: "pr", keepLast: 2, place: 2 });
});

test("a damaged tag has no target, and does not keep a page incomplete", async () => {
  const world = await worldOf(ages);
  const tags = world.data.repositories.get(name)?.tags;
  tags?.set(parseTag("damaged"), { digest: undefined, pushedAt: Date.now() });
  const page = await world.page();
  assert.deepEqual([page.tags[0]?.tag, page.tags[0]?.digest, page.complete], ["damaged", undefined, true]);
});

test("a page tells how long tags stay by the rules of now", async () => {
  const world = await worldOf({ v1: 3, "pr-1": 2, "pr-2": 1 });
  const matches = (_: unknown, tag: string) => tag.startsWith("pr-");
  const last = { immutable: [], retention: [{ pattern: { matches }, title: "pr", keepLast: 1 }] };
  const kinds = async () => (await world.page()).tags.map(({ retention }) => retention?.kind);
  for (const [policy, expected] of [
    [noTagPolicy, ["no-rule", "no-rule", "no-rule"]],
    [last, ["among-last", "expired", "no-rule"]],
    [{ ...noTagPolicy, immutable: [{ matches }] }, ["immutable", "immutable", "no-rule"]],
  ] as const) {
    world.rules.tagPolicy = policy;
    assert.deepEqual(await kinds(), expected);
  }
});

test("looking at tags changes nothing that retention or an upstream's eviction reads", async () => {
  const world = await worldOf(ages);
  await world.page();
  await world.pulls.save(world.storage.tags);
  for await (const { times } of world.storage.tags.times(name)) assert.equal(times?.pulledAt, undefined);
  const leased = await world.cluster.node().leases.leased(name, [parseDigest(world.digest)]);
  assert.equal(leased.size, 0);
});
