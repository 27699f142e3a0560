// Caches in front of the store: readers share a read, and a value deleted or replaced meanwhile never comes back
// (CVE-2026-35172 shows the consequences).

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { OpenBlobs } from "../../src/cache/open-blobs.js";
import { ReadThroughCache } from "../../src/cache/read-through.js";
import { parseDigest } from "../../src/domain/digest.js";
import { RegistryError } from "../../src/domain/errors.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { BlobReader, BlobStore } from "../../src/storage/storage.js";

/** A read that ends when the test decides. */
class Pending<T> {
  reads = 0;
  #resolve: (value: T) => void = () => {};
  #reject: (error: Error) => void = () => {};

  readonly read = (): Promise<T> => {
    this.reads++;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  };

  give(value: T): void {
    this.#resolve(value);
  }

  fail(error = new Error("wanted")): void {
    this.#reject(error);
  }
}

test("concurrent misses share one read, and its value is cached", async () => {
  const cache = new ReadThroughCache<string, string>({ max: 10 });
  const source = new Pending<string | undefined>();
  const callers = [cache.load("k", source.read), cache.load("k", source.read)];
  source.give("value");
  assert.deepEqual(await Promise.all(callers), ["value", "value"]);
  assert.equal(source.reads, 1);
  assert.equal(cache.get("k"), "value");
  assert.equal(cache.load("k", source.read), "value", "it is synchronous if the value is in memory");
});

const overtakers: readonly [
  what: string,
  act: (cache: ReadThroughCache<string, string>) => void,
  kept?: string,
][] = [
  ["a deletion", (cache) => cache.delete("k")],
  ["a new value", (cache) => cache.set("k", "new"), "new"],
];
for (const [what, act, kept] of overtakers) {
  test(`a read overtaken by ${what} answers its waiters and is not cached`, async () => {
    const cache = new ReadThroughCache<string, string>({ max: 10 });
    const source = new Pending<string | undefined>();
    const caller = cache.load("k", source.read);
    act(cache);
    source.give("old");
    assert.equal(await caller, "old");
    assert.equal(cache.get("k"), kept);
  });
}

test("a read that began after a deletion is cached even if an earlier one ends later", async () => {
  const cache = new ReadThroughCache<string, string>({ max: 10 });
  const [before, after] = [new Pending<string | undefined>(), new Pending<string | undefined>()];
  const first = cache.load("k", before.read);
  cache.delete("k");
  const second = cache.load("k", after.read);
  after.give("new");
  before.give("old");
  assert.deepEqual(await Promise.all([first, second]), ["old", "new"]);
  assert.equal(cache.get("k"), "new");
});

test("absence and failure are not cached", async () => {
  const cache = new ReadThroughCache<string, string>({ max: 10 });
  const source = new Pending<string | undefined>();
  const absent = cache.load("k", source.read);
  source.give(undefined);
  assert.equal(await absent, undefined);
  const failing = cache.load("k", source.read);
  source.fail();
  await assert.rejects(async () => failing, /wanted/);
  const found = cache.load("k", source.read);
  source.give("value");
  assert.equal(await found, "value");
  assert.equal(source.reads, 3);
});

test("a cache bounded by size evicts the least recently used value, and refuses a too large one", () => {
  const cache = new ReadThroughCache<string, string>({ maxSize: 10, sizeOf: (value) => value.length });
  cache.set("a", "12345");
  cache.set("b", "12345");
  cache.get("a");
  cache.set("c", "12345");
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], ["12345", undefined, "12345"]);
  cache.set("d", "12345678901");
  assert.equal(cache.get("d"), undefined);
});

const name = parseRepositoryName("a");
const digest = parseDigest(`sha256:${"0".repeat(64)}`);

/** A store that opens the test's readers, and counts the open ones. */
function fakeStore(): {
  store: BlobStore;
  opening: Pending<BlobReader | undefined>;
  reader(): BlobReader;
  open(): number;
} {
  const opening = new Pending<BlobReader | undefined>();
  let open = 0;
  const reader = (): BlobReader => {
    open++;
    return { size: 1, read: async () => 0, close: async () => void open-- };
  };
  const store: BlobStore = {
    open: opening.read,
    size: async () => undefined,
    mount: async () => undefined,
    remove: async () => 0,
    list: async () => [],
    sizes: async function* () {},
    usages: async function* () {},
    contents: async function* () {},
    orphans: async function* () {},
    removeOrphan: async () => undefined,
    checkContent: async () => undefined,
    check: async () => undefined,
  };
  return { store, opening, reader, open: () => open };
}

test("readers of a blob share one open file, which closes after the cache and the last reader release it", async () => {
  const { store, opening, reader, open } = fakeStore();
  const blobs = new OpenBlobs(store);
  const acquiring = [blobs.acquire(name, digest), blobs.acquire(name, digest)];
  opening.give(reader());
  const [first, second] = await Promise.all(acquiring);
  const third = await blobs.acquire(name, digest);
  assert.ok(first !== undefined && first === second && first === third);
  assert.equal(opening.reads, 1);
  blobs.forget(`${name}@${digest}`);
  first.release();
  second.release();
  assert.equal(open(), 1);
  third.release();
  assert.equal(open(), 0);
});

test("a file being opened while its blob is forgotten is not cached", async () => {
  const { store, opening, reader, open } = fakeStore();
  const blobs = new OpenBlobs(store);
  const acquiring = blobs.acquire(name, digest);
  blobs.forget(`${name}@${digest}`);
  opening.give(reader());
  (await acquiring)?.release();
  const again = blobs.acquire(name, digest);
  await turn();
  assert.equal(opening.reads, 2, "the store is asked again");
  opening.give(undefined);
  assert.equal(await again, undefined);
  assert.equal(open(), 0);
});

test("closing releases every file, including one that is being opened", async () => {
  const { store, opening, reader, open } = fakeStore();
  const blobs = new OpenBlobs(store);
  const acquiring = blobs.acquire(name, digest);
  opening.give(reader());
  (await acquiring)?.release();
  blobs.clear();
  assert.equal(open(), 0);
});

test("a value is not cached by a write that began while changes of its key could be missed", () => {
  let isCurrent = false;
  const cache = new ReadThroughCache<string, string>({ max: 10 }, () => isCurrent);
  cache.beginWrite("k");
  isCurrent = true;
  assert.ok(!cache.endWrite("k"));
  cache.beginWrite("k");
  assert.ok(cache.endWrite("k"));
});

test("a key that is loaded and may be outdated is followed, and cached from the next read on", async () => {
  const followed = new Set<string>();
  const cache = new ReadThroughCache<string, string>(
    { max: 10 },
    (key) => followed.has(key),
    (key) => followed.add(key),
  );
  let reads = 0;
  const read = async () => `read ${++reads}`;
  assert.equal(cache.get("k"), undefined);
  assert.equal(followed.size, 0, "a look into the cache follows nothing");
  for (const expected of ["read 1", "read 2", "read 2"]) assert.equal(await cache.load("k", read), expected);
});

test("without a cache, who comes during a read waits for the next one, but not for a storage that does not answer", async () => {
  const cache = new ReadThroughCache<string, string>({ max: 10 }, () => false);
  const source = new Pending<string | undefined>();
  const [first, later] = [cache.load("k", source.read), cache.load("k", source.read)];
  source.give("old");
  assert.equal(await first, "old");
  await turn();
  assert.equal(source.reads, 2);
  const last = cache.load("k", source.read);
  const away = new RegistryError("storage-unavailable", "try again in a moment");
  source.fail(away);
  await assert.rejects(async () => later, away);
  await assert.rejects(async () => last, away);
  assert.equal(source.reads, 2);
  const next = cache.load("k", source.read);
  source.give("new");
  assert.equal(await next, "new");
});
