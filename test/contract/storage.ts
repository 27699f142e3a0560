// The promises of the storage port, one test each, for any driver; src/storage/storage.ts states them in the same order. A
// driver's own test calls `testStorage` with functions to open it and to damage its data.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Algorithm, type Digest, parseDigest } from "../../src/domain/digest.js";
import { RegistryError } from "../../src/domain/errors.js";
import type { Tag } from "../../src/domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import type { Robot, RobotName } from "../../src/domain/robot.js";
import { newSessionId } from "../../src/domain/session-id.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import type {
  PointCondition,
  Referrer,
  Storage,
  Tail,
  Upload,
  UploadRecord,
} from "../../src/storage/storage.js";
import { digestOf } from "../support/content.js";

/** Stored data that a driver's test can open again, damage and remove. */
export interface TestedStore {
  open(slabs: SlabPool): Promise<Storage>;
  /** Stores a content without a repository, as a crash can leave one. */
  plantOrphan(digest: Digest, bytes: Buffer): Promise<void>;
  /** Changes the stored bytes of a repository's blob, and of all that share them. */
  damageBlob(name: RepositoryName, digest: Digest): Promise<void>;
  damageTag(name: RepositoryName, tag: Tag): Promise<void>;
  damageReferrer(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void>;
  /** Puts another kind of object in the place of a manifest, if the storage can have such objects. */
  misplaceManifest?(name: RepositoryName, digest: Digest): Promise<void>;
  /** Makes every call fail until the returned function is called, if something below the driver can fail. */
  breakDown?(): Promise<() => Promise<void>>;
  remove(): Promise<void>;
}

export interface TestedDriver {
  readonly name: string;
  /** Whether repositories share the bytes of a digest. */
  readonly sharesContent: boolean;
  /** Whether bytes are freed with their last repository, rather than by `removeOrphan`. */
  readonly freesAtOnce: boolean;
  /** An empty store. */
  create(): Promise<TestedStore>;
}

const slabBytes = 8192;
const blockBytes = 4096;

function smallSlabs(): SlabPool {
  return new SlabPool({ slabBytes, blockBytes, slabs: 256, overflowBytes: 0 });
}

/** A name that no other test uses. */
function uniqueName(): RepositoryName {
  return parseRepositoryName(`r${randomBytes(8).toString("hex")}`);
}

function digestFor(bytes: Uint8Array, algorithm: Algorithm = "sha256"): Digest {
  return parseDigest(digestOf(bytes, algorithm));
}

function tagOf(text: string): Tag {
  return text as Tag;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function first<T>(count: number, items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) if (found.push(item) === count) break;
  return found;
}

const isFailure = (kinds: readonly string[]) => (error: unknown) => {
  assert.ok(error instanceof RegistryError, `an error of the closed set, not ${String(error)}`);
  assert.ok(kinds.includes(error.kind), error.kind);
  return true;
};

/** An open store, with the memory for uploads. */
class Opened {
  readonly slabs = smallSlabs();
  storage!: Storage;

  constructor(readonly store: TestedStore) {}

  async open(): Promise<this> {
    this.storage = await this.store.open(this.slabs);
    return this;
  }

  async reopen(): Promise<Storage> {
    await this.storage.close();
    await this.open();
    return this.storage;
  }

  async end(): Promise<void> {
    await this.storage.close();
    assert.equal(this.slabs.lent, 0, "every slab was returned");
    await this.store.remove();
  }

  record(name: RepositoryName, algorithm: Algorithm = "sha256"): UploadRecord {
    const client = "192.0.2.1";
    return { name, opener: "somebody", client, algorithm, announced: false, createdAt: Date.now() };
  }

  begin(name: RepositoryName, survives = true, algorithm?: Algorithm, inChunks = false) {
    const id = newSessionId();
    return {
      id,
      upload: this.storage.uploads.begin(id, this.record(name, algorithm), { survives, inChunks }),
    };
  }

  /** Lends a slab with some bytes to `call`, and overwrites it afterwards, when the caller owns it again. */
  async lend<T>(bytes: Uint8Array, offset: number, call: (tail: Tail) => Promise<T>): Promise<T> {
    const slab = this.slabs.take();
    assert.ok(slab !== undefined, "there are enough slabs");
    const start = offset % blockBytes;
    this.slabs.copyInto(slab, start, bytes);
    try {
      return await call({ offset, part: { slab, start, length: bytes.length } });
    } finally {
      this.slabs.copyInto(slab, start, new Uint8Array(bytes.length));
      this.slabs.give(slab);
    }
  }

  append(upload: Upload, bytes: Uint8Array, offset: number) {
    return this.lend(bytes, offset, ({ part, offset }) => {
      assert.ok(part !== undefined);
      return upload.append(part, offset);
    });
  }

  /** Appends all bytes in parts, without waiting between them. */
  async appendAll(upload: Upload, bytes: Uint8Array, offset = 0): Promise<void> {
    const parts: Promise<unknown>[] = [];
    for (let at = 0; at < bytes.length; at += blockBytes)
      parts.push(this.append(upload, bytes.subarray(at, at + blockBytes), offset + at));
    await Promise.all(parts);
  }

  /** Pushes a small blob in one call. */
  async push(name: RepositoryName, bytes: Uint8Array, algorithm?: Algorithm): Promise<Digest> {
    const digest = digestFor(bytes, algorithm);
    const { upload } = this.begin(name, false, algorithm);
    await this.lend(bytes, 0, (tail) => upload.commit(name, digest, tail));
    return digest;
  }

  async read(name: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    const reader = await this.storage.blobs.open(name, digest);
    if (reader === undefined) return undefined;
    try {
      const bytes = Buffer.alloc(reader.size);
      return bytes.subarray(0, await reader.read(bytes, 0));
    } finally {
      await reader.close();
    }
  }

  /** Writes this many distinct manifests. */
  async manifests(name: RepositoryName, count: number): Promise<Digest[]> {
    const bodies = Array.from({ length: count }, () => randomBytes(64));
    await Promise.all(bodies.map((bytes) => this.storage.manifests.write(name, digestFor(bytes), bytes)));
    return bodies.map((bytes) => digestFor(bytes));
  }
}

const anywhere: PointCondition = { movable: true };

export function testStorage(driver: TestedDriver): void {
  const opening = driver.create().then((store) => new Opened(store).open());
  after(async () => (await opening).end());
  const promise = (what: string, check: (opened: Opened) => Promise<void>) =>
    test(`${driver.name}: ${what}`, async () => check(await opening));
  /** On a separate store, which is reopened or broken. */
  const promiseAlone = (what: string, check: (opened: Opened) => Promise<void>) =>
    test(`${driver.name}: ${what}`, async () => {
      const opened = await new Opened(await driver.create()).open();
      try {
        await check(opened);
      } finally {
        await opened.end();
      }
    });
  testUploads(promise, promiseAlone);
  testBlobs(driver, promise);
  testManifests(promise);
  testTags(promise);
  testHistory(promise);
  testReferrers(promise);
  testRepositories(promiseAlone);
  testWhole(promise, promiseAlone);
}

type Declare = (what: string, check: (opened: Opened) => Promise<void>) => void;

function testUploads(promise: Declare, promiseAlone: Declare): void {
  for (const algorithm of ["sha256", "sha512", "blake3"] as const) {
    promise(`an upload becomes a blob in one call: ${algorithm}`, async (opened) => {
      const name = uniqueName();
      const bytes = randomBytes(1000);
      const digest = await opened.push(name, bytes, algorithm);
      assert.deepEqual(await opened.read(name, digest), bytes);
    });
  }

  promise("parts passed without waiting are appended in order", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(20 * blockBytes + 17);
    const digest = digestFor(bytes);
    const { upload } = opened.begin(name);
    await opened.appendAll(upload, bytes);
    const times = await upload.seal(digest, { offset: bytes.length, part: undefined });
    assert.ok(times.startedAt <= times.openedAt && times.syncedAt !== undefined);
    const committed = await upload.commit(name, digest);
    assert.deepEqual(committed, { healed: false, times: undefined });
    assert.deepEqual(await opened.read(name, digest), bytes);
  });

  promise("a commit with the last bytes seals the upload, and returns the times", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(blockBytes + 100);
    const digest = digestFor(bytes);
    const { upload } = opened.begin(name);
    await opened.append(upload, bytes.subarray(0, blockBytes), 0);
    const rest = bytes.subarray(blockBytes);
    const { times } = await opened.lend(rest, blockBytes, (tail) => upload.commit(name, digest, tail));
    assert.ok(times !== undefined);
    assert.deepEqual(await opened.read(name, digest), bytes);
  });

  promise("an upload without bytes becomes the empty blob", async (opened) => {
    const name = uniqueName();
    const digest = digestFor(Buffer.alloc(0));
    const { upload } = opened.begin(name, false);
    await upload.commit(name, digest, { offset: 0, part: undefined });
    assert.equal(await opened.storage.blobs.size(name, digest), 0);
  });

  promise("the algorithm may change while there are no bytes", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(100);
    const digest = digestFor(bytes, "sha512");
    const { upload } = opened.begin(name, false);
    upload.algorithm = "sha512";
    await opened.lend(bytes, 0, (tail) => upload.commit(name, digest, tail));
    assert.deepEqual(await opened.read(name, digest), bytes);
  });

  promise("appending at an earlier offset drops later bytes", async (opened) => {
    const name = uniqueName();
    const [kept, dropped, added] = [randomBytes(500), randomBytes(700), randomBytes(300)];
    const digest = digestFor(Buffer.concat([kept, added]));
    const { upload } = opened.begin(name);
    await opened.append(upload, kept, 0);
    await opened.append(upload, dropped, kept.length);
    await opened.append(upload, added, kept.length);
    await upload.commit(name, digest, { offset: kept.length + added.length, part: undefined });
    assert.deepEqual(await opened.read(name, digest), Buffer.concat([kept, added]));
  });

  promise("a truncated upload continues after the remaining bytes", async (opened) => {
    const name = uniqueName();
    const [kept, dropped, added] = [randomBytes(500), randomBytes(700), randomBytes(300)];
    const digest = digestFor(Buffer.concat([kept, added]));
    const { id, upload } = opened.begin(name);
    await opened.append(upload, kept, 0);
    await upload.flush(kept.length);
    await opened.append(upload, dropped, kept.length);
    assert.equal(await upload.truncate(kept.length), kept.length);
    assert.equal((await opened.storage.uploads.recover(id))?.received, kept.length);
    await opened.append(upload, added, kept.length);
    await upload.commit(name, digest, { offset: kept.length + added.length, part: undefined });
    assert.deepEqual(await opened.read(name, digest), Buffer.concat([kept, added]));
  });

  for (const how of ["seal", "commit"] as const) {
    promise(`${how} rejects other bytes with digest-mismatch, and nothing is stored`, async (opened) => {
      const name = uniqueName();
      const { uploads, blobs } = opened.storage;
      const wanted = digestFor(randomBytes(10));
      const { id, upload } = opened.begin(name);
      const end = (tail: Tail): Promise<unknown> =>
        how === "seal" ? upload.seal(wanted, tail) : upload.commit(name, wanted, tail);
      await assert.rejects(opened.lend(randomBytes(10), 0, end), isFailure(["digest-mismatch"]));
      assert.equal(await blobs.size(name, wanted), undefined);
      await upload.abort();
      assert.equal(await uploads.recover(id), undefined);
    });
  }

  promise("a consumed or aborted upload leaves nothing", async (opened) => {
    const name = uniqueName();
    const { uploads } = opened.storage;
    const [used, aborted, unused] = [opened.begin(name), opened.begin(name), opened.begin(name)];
    const bytes = randomBytes(10);
    await opened.lend(bytes, 0, (tail) => used.upload.commit(name, digestFor(bytes), tail));
    await opened.append(aborted.upload, bytes, 0);
    await aborted.upload.flush(bytes.length);
    assert.ok(await uploads.recover(aborted.id));
    await aborted.upload.abort();
    await unused.upload.abort();
    const left = (await all(uploads.all())).map(({ id }) => id);
    for (const { id } of [used, aborted, unused]) {
      assert.equal(await uploads.recover(id), undefined);
      assert.ok(!left.includes(id));
    }
  });

  promiseAlone("after a restart an upload with bytes can be recovered, any other is gone", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(3 * blockBytes);
    const half = blockBytes + 5;
    const kept = opened.begin(name, true, "sha512", true);
    const [passing, empty] = [opened.begin(name, false), opened.begin(name)];
    const before = Date.now() - 1000;
    await opened.appendAll(kept.upload, bytes.subarray(0, half));
    await opened.append(passing.upload, bytes.subarray(0, 10), 0);
    await kept.upload.flush(half);
    await passing.upload.flush(10);
    const { uploads } = await opened.reopen();
    assert.deepEqual(await all(uploads.all()), [{ id: kept.id, bytes: half }]);
    for (const { id } of [passing, empty]) assert.equal(await uploads.recover(id), undefined);
    const recovered = await uploads.recover(kept.id);
    assert.ok(recovered !== undefined);
    const { upload, received, touchedAt, createdAt, ...record } = recovered;
    const wanted = { name, opener: "somebody", client: "192.0.2.1", algorithm: "sha512", announced: false };
    assert.deepEqual(record, wanted);
    assert.ok(received === half && touchedAt >= before && createdAt >= before);
    await opened.appendAll(upload, bytes.subarray(half), half);
    const digest = digestFor(bytes, "sha512");
    await upload.commit(name, digest, { offset: bytes.length, part: undefined });
    assert.deepEqual(await opened.read(name, digest), bytes);
    assert.deepEqual(await all(uploads.all()), []);
  });

  promiseAlone("uploads without a write since a time are abandoned, and can be removed", async (opened) => {
    const { uploads } = opened.storage;
    const { id, upload } = opened.begin(uniqueName(), true, undefined, true);
    await opened.append(upload, randomBytes(10), 0);
    await upload.flush(10);
    assert.deepEqual(await all(uploads.abandoned(Date.now() - 60_000)), []);
    assert.deepEqual(await all(uploads.abandoned(Date.now() + 60_000)), [id]);
    const reopened = await opened.reopen();
    await reopened.uploads.remove(id);
    await reopened.uploads.remove(id);
    assert.equal(await reopened.uploads.recover(id), undefined);
  });

  promise("a scratch file holds bytes until it is closed", async (opened) => {
    const file = opened.storage.uploads.openScratchFile();
    const bytes = randomBytes(1000);
    file.write(bytes.subarray(0, 600), 0);
    file.write(bytes.subarray(600), 600);
    const into = Buffer.alloc(500);
    assert.equal(file.read(into, 400), 500);
    assert.deepEqual(into, bytes.subarray(400, 900));
    assert.equal(file.read(into, 900), 100);
    file.close();
  });
}

function testBlobs({ sharesContent, freesAtOnce }: TestedDriver, promise: Declare): void {
  promise("a repository has exactly its committed blobs", async (opened) => {
    const { blobs } = opened.storage;
    const [name, other] = [uniqueName(), uniqueName()];
    const digest = await opened.push(name, randomBytes(1000));
    assert.equal(await blobs.size(name, digest), 1000);
    assert.deepEqual(await blobs.list(name), [digest]);
    assert.equal(await blobs.size(other, digest), undefined);
    assert.equal(await blobs.open(other, digest), undefined);
    assert.equal(await blobs.remove(other, digest), undefined);
    assert.equal(await blobs.check(other, digest), undefined);
    assert.deepEqual(await blobs.list(other), []);
  });

  promise("a reader reads from any position, and fewer bytes only at the end", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(1000);
    const reader = await opened.storage.blobs.open(name, await opened.push(name, bytes));
    assert.ok(reader !== undefined);
    const into = Buffer.alloc(300);
    assert.equal(await reader.read(into, 200), 300);
    assert.deepEqual(into, bytes.subarray(200, 500));
    assert.equal(await reader.read(into, 900), 100);
    assert.deepEqual(into.subarray(0, 100), bytes.subarray(900));
    assert.equal(await reader.read(into, 1000), 0);
    await reader.close();
  });

  promise("an open reader reads a blob to the end although it is removed meanwhile", async (opened) => {
    const name = uniqueName();
    const bytes = randomBytes(1000);
    const digest = await opened.push(name, bytes);
    const reader = await opened.storage.blobs.open(name, digest);
    await opened.storage.blobs.remove(name, digest);
    const into = Buffer.alloc(1000);
    assert.equal(await reader?.read(into, 0), 1000);
    assert.deepEqual(into, bytes);
    await reader?.close();
  });

  promise("a content is stored once for all its repositories", async (opened) => {
    const { blobs } = opened.storage;
    const [one, two] = [uniqueName(), uniqueName()];
    const bytes = randomBytes(1000);
    const digest = await opened.push(one, bytes);
    assert.deepEqual(await all(blobs.usages(one, [digest])), [
      { size: 1000, shared: false, isContent: sharesContent },
    ]);
    await opened.push(two, bytes);
    await opened.push(two, bytes);
    for (const name of [one, two]) {
      const usage = { size: 1000, shared: sharesContent, isContent: sharesContent };
      assert.deepEqual(await all(blobs.usages(name, [digest, digestFor(randomBytes(1))])), [usage]);
      assert.deepEqual(await opened.read(name, digest), bytes);
    }
    const stored = (await all(blobs.contents())).filter((content) => content.digest === digest);
    assert.deepEqual(stored, sharesContent ? [{ digest, size: 1000 }] : []);
  });

  promise("sizes of blobs are in the order of the digests", async (opened) => {
    const name = uniqueName();
    const [one, two] = [await opened.push(name, randomBytes(10)), digestFor(randomBytes(20))];
    const three = await opened.push(name, randomBytes(30));
    assert.deepEqual(await all(opened.storage.blobs.sizes(name, [three, two, one])), [30, 10]);
    assert.deepEqual(await all(opened.storage.blobs.sizes(uniqueName(), [one])), []);
  });

  promise("bytes are freed with their last repository", async (opened) => {
    const { blobs } = opened.storage;
    const [one, two] = [uniqueName(), uniqueName()];
    const bytes = randomBytes(1000);
    const digest = await opened.push(one, bytes);
    await opened.push(two, bytes);
    assert.equal(await blobs.removeOrphan(digest), undefined, "it is not an orphan");
    assert.equal(await blobs.remove(one, digest), sharesContent ? 0 : 1000);
    assert.equal(await blobs.remove(one, digest), undefined);
    assert.equal(await blobs.size(one, digest), undefined);
    assert.deepEqual(await opened.read(two, digest), bytes);
    assert.equal(await blobs.remove(two, digest), freesAtOnce ? 1000 : 0);
    if (!freesAtOnce) assert.equal(await blobs.removeOrphan(digest), 1000);
    assert.equal(await blobs.checkContent(digest), undefined);
  });

  promise("a mount adds a blob of one repository to another", async (opened) => {
    const { blobs } = opened.storage;
    const [from, to] = [uniqueName(), uniqueName()];
    const bytes = randomBytes(1000);
    const digest = digestFor(bytes);
    assert.equal(await blobs.mount(digest, to, from), undefined);
    assert.equal(await blobs.size(to, digest), undefined);
    await opened.push(from, bytes);
    assert.equal(await blobs.mount(digest, to, from), 1000);
    assert.equal(await blobs.mount(digest, to, from), 1000, "again");
    assert.equal(await blobs.remove(from, digest), sharesContent ? 0 : 1000);
    assert.deepEqual(await opened.read(to, digest), bytes);
  });

  promise("a mount without a source finds the blob in any repository", async (opened) => {
    const { blobs } = opened.storage;
    const [from, to] = [uniqueName(), uniqueName()];
    const digest = await opened.push(from, randomBytes(1000));
    // Without shared content there is no index of all blobs.
    assert.equal(await blobs.mount(digest, to), sharesContent ? 1000 : undefined);
    assert.equal(await blobs.mount(digestFor(randomBytes(1)), to), undefined);
  });

  if (sharesContent) {
    promise(
      "a content without a repository is an orphan, can be removed, and saves the next push",
      async (opened) => {
        const { blobs } = opened.storage;
        const bytes = randomBytes(1000);
        const digest = digestFor(bytes);
        const orphans = async () =>
          (await all(blobs.orphans())).filter((content) => content.digest === digest);
        await opened.store.plantOrphan(digest, bytes);
        assert.deepEqual(await orphans(), [{ digest, size: 1000 }]);
        const name = uniqueName();
        await opened.push(name, bytes);
        assert.deepEqual(await orphans(), []);
        await blobs.remove(name, digest);
        await opened.store.plantOrphan(digest, bytes);
        assert.equal(await blobs.removeOrphan(digest), 1000);
        assert.equal(await blobs.removeOrphan(digest), undefined);
        assert.deepEqual(await orphans(), []);
      },
    );

    promise(
      "damage is found in all repositories that share it, and the next push repairs it in all",
      async (opened) => {
        const { blobs } = opened.storage;
        const [one, two] = [uniqueName(), uniqueName()];
        const bytes = randomBytes(1000);
        const digest = await opened.push(one, bytes);
        await blobs.mount(digest, two, one);
        assert.equal(await blobs.checkContent(digest), true);
        assert.equal(await blobs.check(one, digest), "content");
        await opened.store.damageBlob(one, digest);
        assert.equal(await blobs.checkContent(digest), false);
        const { upload } = opened.begin(uniqueName(), false);
        const { healed } = await opened.lend(bytes, 0, (tail) => upload.commit(one, digest, tail));
        assert.ok(healed);
        assert.equal(await blobs.checkContent(digest), true);
        for (const name of [one, two]) assert.deepEqual(await opened.read(name, digest), bytes);
      },
    );

    promise("the total equals the count of a walk over the contents", async (opened) => {
      const name = uniqueName();
      const digests = await Promise.all([100, 200, 300].map((size) => opened.push(name, randomBytes(size))));
      await opened.storage.blobs.remove(name, digests[0] as Digest);
      const contents = await all(opened.storage.blobs.contents());
      const bytes = contents.reduce((sum, { size }) => sum + size, 0);
      const total = opened.storage.measures.contents;
      if (total !== undefined) assert.deepEqual(total, { contents: contents.length, bytes });
    });
  } else {
    promise("a repository's own bytes are checked separately", async (opened) => {
      const { blobs } = opened.storage;
      const name = uniqueName();
      const digest = await opened.push(name, randomBytes(1000));
      assert.equal(await blobs.check(name, digest), true);
      await opened.store.damageBlob(name, digest);
      assert.equal(await blobs.check(name, digest), false);
    });
  }

  promise("concurrent pushes, mounts and removals of one content lose nothing", async (opened) => {
    const { blobs } = opened.storage;
    const bytes = randomBytes(1000);
    const digest = digestFor(bytes);
    const names = Array.from({ length: 8 }, uniqueName);
    const home = uniqueName();
    await Promise.all(
      names.map(async (name, index) => {
        for (let round = 0; round < 12; round++) {
          if (index % 4 === 3) {
            const from = names[(index + round) % names.length];
            if ((await blobs.mount(digest, name, from)) === undefined) continue;
          } else await opened.push(name, bytes);
          assert.deepEqual(await opened.read(name, digest), bytes, "acknowledged content exists");
          assert.notEqual(await blobs.remove(name, digest), undefined);
          assert.equal(await blobs.size(name, digest), undefined, "removed content does not exist");
        }
      }),
    );
    const orphans = (await all(blobs.orphans())).filter((content) => content.digest === digest);
    assert.deepEqual(orphans, freesAtOnce || !sharesContent ? [] : [{ digest, size: 1000 }]);
    for (const orphan of orphans) await blobs.removeOrphan(orphan.digest);
    assert.equal(await blobs.checkContent(digest), undefined);
    await opened.push(home, bytes);
    assert.deepEqual(await opened.read(home, digest), bytes);
  });
}

function testManifests(promise: Declare): void {
  promise("a manifest is read as written, until it is removed", async (opened) => {
    const { manifests } = opened.storage;
    const name = uniqueName();
    const bytes = Buffer.from('{"schemaVersion":2}');
    const digest = digestFor(bytes);
    assert.equal(await manifests.read(name, digest), undefined);
    await manifests.write(name, digest, bytes);
    assert.deepEqual(await manifests.read(name, digest), bytes);
    assert.equal(await manifests.size(name, digest), bytes.length);
    assert.deepEqual(await manifests.list(name), [digest]);
    assert.deepEqual(await manifests.list(uniqueName()), []);
    assert.equal(await manifests.remove(name, digest), true);
    assert.equal(await manifests.remove(name, digest), false);
    assert.equal(await manifests.read(name, digest), undefined);
    assert.equal(await manifests.size(name, digest), undefined);
  });

  promise("sizes and times are in the order of the digests", async (opened) => {
    const { manifests } = opened.storage;
    const name = uniqueName();
    const bodies = [randomBytes(10), randomBytes(20), randomBytes(30)];
    const [one, two, three] = bodies.map((bytes) => digestFor(bytes)) as [Digest, Digest, Digest];
    const before = Date.now() - 1000;
    await manifests.write(name, one, bodies[0] as Buffer);
    await manifests.write(name, three, bodies[2] as Buffer);
    assert.deepEqual(await all(manifests.sizes(name, [three, two, one])), [30, 10]);
    const times = await all(manifests.pushedAt(name, [three, two, one]));
    assert.deepEqual(
      times.map((time) => time !== undefined && time > before),
      [true, false, true],
    );
    await manifests.write(name, one, bodies[0] as Buffer);
    assert.deepEqual(await all(manifests.pushedAt(name, [one])), [times[2]], "the first push counts");
  });

  promise("many writers of one manifest store it completely", async (opened) => {
    const { manifests } = opened.storage;
    const name = uniqueName();
    const bytes = randomBytes(10_000);
    const digest = digestFor(bytes);
    await Promise.all(Array.from({ length: 8 }, () => manifests.write(name, digest, bytes)));
    assert.deepEqual(await manifests.read(name, digest), bytes);
  });

  promise(
    "another kind of object in the place of a manifest is unreadable, and hides no other",
    async (opened) => {
      if (opened.store.misplaceManifest === undefined) return;
      const { manifests } = opened.storage;
      const name = uniqueName();
      const [digest] = (await opened.manifests(name, 1)) as [Digest];
      const misplaced = digestFor(randomBytes(10));
      await opened.store.misplaceManifest(name, misplaced);
      assert.equal(await manifests.read(name, misplaced), "unreadable");
      assert.equal(await manifests.size(name, misplaced), undefined);
      assert.equal((await manifests.read(name, digest))?.length, 64);
    },
  );
}

function testTags(promise: Declare): void {
  promise("a tag points to its last manifest", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const tag = tagOf("latest");
    assert.equal(await tags.resolve(name, tag), undefined);
    assert.equal(await tags.inspect(name, tag), undefined);
    assert.equal(await tags.remove(name, tag), false);
    assert.equal(await tags.point(name, tag, one, anywhere), "pointed");
    assert.equal(await tags.point(name, tag, two, anywhere), "pointed");
    assert.equal(await tags.resolve(name, tag), two);
    assert.deepEqual(await tags.inspect(name, tag), { tag, digest: two });
    await tags.mend(name, tag, two);
    assert.equal(await tags.resolve(name, tag), two);
    assert.equal(await tags.remove(name, tag), true);
    assert.equal(await tags.resolve(name, tag), undefined);
  });

  promise("tags are listed in ASCII order, for repositories in the catalog only", async (opened) => {
    const { tags } = opened.storage;
    const [name, blobsOnly] = [uniqueName(), uniqueName()];
    const [digest] = (await opened.manifests(name, 1)) as [Digest];
    assert.deepEqual(await tags.list(name), []);
    const wanted = ["1.0", "1.10", "A", "_", "a", "a.b"].map(tagOf);
    for (const tag of wanted.toReversed()) await tags.point(name, tag, digest, anywhere);
    assert.deepEqual(await tags.list(name), wanted);
    await opened.push(blobsOnly, randomBytes(10));
    assert.equal(await tags.list(blobsOnly), undefined);
  });

  promise("targets and times cover the requested tags, or all", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const [a, b, missing] = ["a", "b", "missing"].map(tagOf) as [Tag, Tag, Tag];
    const before = Date.now() - 1000;
    await tags.point(name, a, one, anywhere);
    await tags.point(name, b, two, anywhere);
    const targets = (await all(tags.targets(name))).toSorted((x, y) => (x.tag < y.tag ? -1 : 1));
    assert.deepEqual(targets, [
      { tag: a, digest: one },
      { tag: b, digest: two },
    ]);
    assert.deepEqual(await all(tags.targets(name, [b, missing])), [{ tag: b, digest: two }]);
    const pulledAt = Date.UTC(2026, 0, 2);
    await tags.setPulledAt(name, b, pulledAt);
    await tags.setPulledAt(name, missing, pulledAt);
    assert.equal(await tags.resolve(name, missing), undefined);
    const times = new Map((await all(tags.times(name))).map(({ tag, times }) => [tag, times]));
    assert.equal(times.get(a)?.pulledAt, undefined);
    assert.equal(times.get(b)?.pulledAt, pulledAt);
    for (const tag of [a, b]) assert.ok((times.get(tag)?.pushedAt ?? 0) > before);
    assert.equal(times.size, 2);
  });

  promise(
    "a tag from another store counts as pushed when it was pushed there, until it is pushed again",
    async (opened) => {
      const { tags } = opened.storage;
      const name = uniqueName();
      const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
      const [old, moved, conditional] = ["old", "moved", "conditional"].map(tagOf) as [Tag, Tag, Tag];
      const before = Date.now() - 1000;
      const [first, second] = [Date.UTC(2024, 1, 2), Date.UTC(2025, 1, 2)];
      for (const tag of [old, moved]) await tags.point(name, tag, one, anywhere, { pushedAt: first });
      await tags.point(name, moved, two, anywhere, { pushedAt: second });
      const firstTime = { pushedAt: first };
      assert.equal(await tags.point(name, conditional, one, { movable: false }, firstTime), "pointed");
      const pushed = async (only?: readonly Tag[]) =>
        Object.fromEntries(
          (await all(tags.times(name, only))).map(({ tag, times }) => [tag, times?.pushedAt]),
        );
      const wanted = { old: first, moved: second, conditional: first };
      assert.deepEqual(await pushed(), wanted);
      assert.deepEqual(await pushed([old, moved, conditional]), wanted);
      await tags.point(name, old, one, anywhere, { pushedAt: second });
      assert.deepEqual(await pushed([old]), { old: second });
      await tags.point(name, old, one, anywhere);
      await tags.point(name, moved, one, anywhere);
      for (const at of Object.values(await pushed([old, moved]))) assert.ok((at ?? 0) > before);
      assert.equal(await tags.resolve(name, moved), one);
    },
  );

  promise("a damaged tag is distinguished from a missing one, and can be pointed again", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const [tag, other] = [tagOf("damaged"), tagOf("other")];
    await tags.point(name, tag, one, anywhere);
    await tags.point(name, other, one, anywhere);
    await opened.store.damageTag(name, tag);
    assert.equal(await tags.resolve(name, tag), undefined);
    assert.deepEqual(await tags.inspect(name, tag), { tag });
    assert.deepEqual(await all(tags.targets(name, [tag, other])), [{ tag }, { tag: other, digest: one }]);
    assert.equal(await tags.point(name, tag, two, { movable: false }), "pointed");
    assert.equal(await tags.resolve(name, tag), two);
  });

  promise("a tag does not move if the condition forbids it", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const tag = tagOf("v1");
    const point = (digest: Digest, condition: PointCondition) => tags.point(name, tag, digest, condition);
    const only = (digest: Digest) => ({ match: new Set([digest]) });
    assert.equal(await point(one, { movable: true, precondition: only(one) }), "precondition-failed");
    assert.equal(await point(one, { movable: false, precondition: { noneMatch: "anything" } }), "pointed");
    assert.equal(await point(one, { movable: false }), "pointed", "to the same manifest again");
    assert.equal(await point(two, { movable: false }), "immovable");
    const precondition = { noneMatch: "anything" } as const;
    assert.equal(await point(two, { movable: false, precondition }), "precondition-failed", "it goes first");
    assert.equal(await point(two, { movable: true, precondition: only(two) }), "precondition-failed");
    assert.equal(await tags.resolve(name, tag), one);
    assert.equal(await point(two, { movable: true, precondition: only(one) }), "pointed");
    assert.equal(await tags.resolve(name, tag), two);
  });

  promise(
    "a manifest, its entry and its tag are stored at once, as if one after the other",
    async (opened) => {
      const { pushes } = opened.storage;
      if (pushes === undefined) return;
      const name = uniqueName();
      const tag = tagOf("v1");
      const bounds = { entriesMax: 50, keptMilliseconds: 1e9 };
      const subject = digestFor(randomBytes(10));
      const made = Array.from({ length: 3 }, () => randomBytes(200));
      const [one, two, three] = made.map((bytes) => digestFor(bytes)) as [Digest, Digest, Digest];
      const push = (index: number, condition: PointCondition, referrer?: Referrer) => {
        const bytes = made[index] ?? Buffer.alloc(0);
        const note = { by: `pusher:${index}`, bounds };
        return pushes.push(name, digestFor(bytes), {
          bytes,
          entry: referrer && { subject, referrer },
          tag: { tag, condition, push: { note } },
        });
      };
      const referrer: Referrer = {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: one,
        size: 200,
      };
      assert.equal(await push(0, { movable: false }, referrer), "pointed");
      assert.equal(await push(0, { movable: false }, referrer), "pointed", "the same again");
      assert.equal(await push(1, { movable: false }), "immovable", "the manifest is stored nevertheless");
      const failing = { movable: true, precondition: { match: new Set([two]) } };
      assert.equal(await push(2, failing), "precondition-failed");
      assert.equal(await opened.storage.tags.resolve(name, tag), one);
      assert.equal(await push(1, { movable: true }), "pointed");
      const untagged = await pushes.push(name, three, { bytes: made[2] ?? Buffer.alloc(0) });
      assert.equal(untagged, undefined);
      const { manifests, tags, referrers, history } = await opened.reopen();
      assert.equal(await tags.resolve(name, tag), two);
      for (const [index, digest] of [one, two, three].entries())
        assert.deepEqual(await manifests.read(name, digest), made[index]);
      assert.deepEqual(await all(referrers.list(name, subject)), [referrer]);
      assert.deepEqual(
        (await all(history.list(name, tag))).map(({ digest, by }) => [digest, by]),
        [
          [two, "pusher:1"],
          [one, "pusher:0"],
        ],
      );
    },
  );

  for (const [what, condition, refusal] of [
    [
      "only if there is none",
      { movable: true, precondition: { noneMatch: "anything" } },
      "precondition-failed",
    ],
    ["without moving it", { movable: false }, "immovable"],
  ] as const) {
    promise(`of sixteen callers who point a new tag ${what}, one succeeds`, async (opened) => {
      const { tags } = opened.storage;
      const name = uniqueName();
      const digests = await opened.manifests(name, 16);
      const tag = tagOf("raced");
      const results = await Promise.all(digests.map((digest) => tags.point(name, tag, digest, condition)));
      assert.equal(results.filter((result) => result === "pointed").length, 1);
      assert.equal(results.filter((result) => result === refusal).length, 15);
      assert.equal(await tags.resolve(name, tag), digests[results.indexOf("pointed")]);
    });
  }

  promise("of many callers who move a tag from the state they saw, one wins each round", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const digests = await opened.manifests(name, 9);
    const tag = tagOf("compared");
    await tags.point(name, tag, digests[0] as Digest, anywhere);
    for (let round = 0; round < 5; round++) {
      const seen = await tags.resolve(name, tag);
      assert.ok(seen !== undefined);
      const condition = { movable: true, precondition: { match: new Set([seen]) } };
      const others = digests.filter((digest) => digest !== seen);
      const results = await Promise.all(others.map((digest) => tags.point(name, tag, digest, condition)));
      assert.equal(results.filter((result) => result === "pointed").length, 1);
      assert.equal(await tags.resolve(name, tag), others[results.indexOf("pointed")]);
    }
  });

  promise("a tag being moved always points to one of the manifests", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const digests = await opened.manifests(name, 4);
    const tag = tagOf("moving");
    await tags.point(name, tag, digests[0] as Digest, anywhere);
    let moving = true;
    const reading = (async () => {
      while (moving) assert.ok(digests.includes((await tags.resolve(name, tag)) as Digest));
    })();
    const moves = digests.map(async (digest) => {
      for (let round = 0; round < 10; round++) await tags.point(name, tag, digest, anywhere);
    });
    await Promise.all(moves).finally(() => {
      moving = false;
    });
    await reading;
  });
}

function testHistory(promise: Declare): void {
  const bounds = { entriesMax: 10, keptMilliseconds: 86_400_000 };
  const note = (by: string, more = {}) => ({ note: { by, bounds: { ...bounds, ...more } } });
  const list = async ({ history }: Storage, name: RepositoryName, tag: Tag) =>
    (await all(history.list(name, tag))).map(({ kind, digest, by }) => ({ kind, digest, by }));
  const pointed = (digest: Digest, by?: string) => ({ kind: "pointed", digest, by });
  const removed = (digest: Digest, by?: string) => ({ kind: "removed", digest, by });

  promise("a tag has a history of its targets, newest first, which survives", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const tag = tagOf("latest");
    assert.deepEqual(await list(opened.storage, name, tag), []);
    const before = Date.now();
    await tags.point(name, tag, one, anywhere, note("user:a"));
    await tags.point(name, tag, two, anywhere, note("user:b"));
    await tags.point(name, tag, two, anywhere, note("user:c"));
    await tags.point(
      name,
      tag,
      one,
      { movable: true, precondition: { match: new Set([two]) } },
      note("user:d"),
    );
    await tags.point(name, tag, one, { movable: false }, note("user:e"));
    assert.equal(await tags.point(name, tag, two, { movable: false }, note("user:f")), "immovable");
    const wanted = [pointed(one, "user:d"), pointed(two, "user:b"), pointed(one, "user:a")];
    assert.deepEqual(await list(opened.storage, name, tag), wanted);
    const again = await opened.reopen();
    assert.deepEqual(await list(again, name, tag), wanted);
    const times = (await all(again.history.list(name, tag))).map(({ at }) => at);
    assert.ok(times.every((at) => at >= before && at <= Date.now() + 5));
    assert.deepEqual(await all(again.history.removed(name)), []);
  });

  promise("a history begins with the current target, even without its entry", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const tag = tagOf("old");
    await tags.point(name, tag, one, anywhere);
    assert.deepEqual(await list(opened.storage, name, tag), [pointed(one)]);
    await tags.point(name, tag, two, anywhere, note("user:a"));
    const [current] = await list(opened.storage, name, tag);
    assert.deepEqual(current, pointed(two, "user:a"));
    await tags.point(name, tag, one, anywhere);
    const [unnoted, earlier] = await list(opened.storage, name, tag);
    assert.deepEqual([unnoted, earlier], [pointed(one), pointed(two, "user:a")]);
  });

  promise("the history of a removed tag remains, and goes on when the tag comes back", async (opened) => {
    const { tags, history } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const [tag, other, forgotten] = ["gone", "a", "forgotten"].map(tagOf) as [Tag, Tag, Tag];
    await tags.point(name, tag, one, anywhere, note("user:a"));
    await tags.point(name, other, one, anywhere, note("user:a"));
    await tags.point(name, forgotten, one, anywhere, note("user:a"));
    assert.equal(await tags.remove(name, tag, note("user:b").note), true);
    assert.equal(await tags.remove(name, tag, note("user:c").note), false);
    assert.equal(await tags.remove(name, forgotten), true);
    assert.deepEqual(await tags.list(name), [other]);
    assert.deepEqual(await all(history.removed(name)), [tag]);
    const once = [removed(one, "user:b"), pointed(one, "user:a")];
    assert.deepEqual(await list(opened.storage, name, tag), once);
    assert.deepEqual(await list(opened.storage, name, forgotten), []);
    await tags.point(name, tag, two, anywhere, note("user:d"));
    assert.deepEqual(await all(history.removed(name)), []);
    const twice = [pointed(two, "user:d"), ...once];
    assert.deepEqual(await list(opened.storage, name, tag), twice);
    await tags.remove(name, tag, note("user:e").note);
    await tags.remove(name, other, note("user:e").note);
    assert.deepEqual(await list(await opened.reopen(), name, tag), [removed(two, "user:e"), ...twice]);
    assert.deepEqual(await all(opened.storage.history.removed(name)), [other, tag]);
    assert.deepEqual(await all(opened.storage.history.removed(name, other)), [tag]);
  });

  promise("a history keeps at most the wanted number of entries, the newest", async (opened) => {
    const { tags, history } = opened.storage;
    const name = uniqueName();
    const digests = await opened.manifests(name, 8);
    const tag = tagOf("moving");
    for (const [index, digest] of digests.entries())
      await tags.point(name, tag, digest, anywhere, note(`user:${index}`, { entriesMax: 3 }));
    await history.prune(name, { ...bounds, entriesMax: 3 });
    const wanted = [7, 6, 5].map((index) => pointed(digests[index] as Digest, `user:${index}`));
    assert.deepEqual(await list(opened.storage, name, tag), wanted);
    assert.equal(await history.prune(name, { ...bounds, entriesMax: 1 }), 2);
    assert.deepEqual(await list(opened.storage, name, tag), wanted.slice(0, 1));
  });

  promise(
    "the age of an entry counts from the next one, and of a removed tag from its removal",
    async (opened) => {
      const { tags, history } = opened.storage;
      const name = uniqueName();
      const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
      const [tag, gone] = ["there", "gone"].map(tagOf) as [Tag, Tag];
      for (const each of [tag, gone]) {
        await tags.point(name, each, one, anywhere, note("user:a"));
        await sleep(30);
        await tags.point(name, each, two, anywhere, note("user:b"));
      }
      await tags.remove(name, gone, note("user:c").note);
      await history.prune(name, bounds);
      assert.equal((await list(opened.storage, name, tag)).length, 2);
      assert.equal((await list(opened.storage, name, gone)).length, 3);
      await sleep(30);
      assert.equal(await history.prune(name, { ...bounds, keptMilliseconds: 10 }), 4);
      assert.deepEqual(await list(opened.storage, name, tag), [pointed(two, "user:b")]);
      assert.deepEqual(await all(history.removed(name)), []);
      assert.equal(await tags.resolve(name, tag), two);
    },
  );

  promise("of concurrent pushes, each has an entry, and the first is that of the target", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const digests = await opened.manifests(name, 8);
    const tag = tagOf("raced");
    await Promise.all(
      digests.map((digest) => tags.point(name, tag, digest, anywhere, note(`user:${digest}`))),
    );
    const entries = await list(opened.storage, name, tag);
    assert.deepEqual(entries[0]?.digest, await tags.resolve(name, tag));
    assert.deepEqual(entries.map(({ digest }) => digest).sort(), digests.toSorted());
    for (const { digest, by } of entries) assert.equal(by, `user:${digest}`);
  });

  promise("who pushed may have any name; a long one is cut", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const digests = await opened.manifests(name, 6);
    const tag = tagOf("names");
    const subjects = [
      "user:../../x",
      "user:a.b/c\0\n",
      "workload:ci:repo:a/b:ref:c",
      "user:Ünï €😀",
      "user:-_.",
    ];
    for (const [index, by] of subjects.entries())
      await tags.point(name, tag, digests[index] as Digest, anywhere, note(by));
    const long = `user:${"€😀".repeat(500)}`;
    await tags.point(name, tag, digests[5] as Digest, anywhere, note(long));
    const [cut = "", ...others] = (await list(opened.storage, name, tag)).map(({ by }) => by);
    assert.deepEqual(others, subjects.toReversed());
    assert.ok(cut === long || (/^user:(?:€|😀)+…$/u.test(cut) && long.startsWith(cut.slice(0, -1))));
  });

  promise("a damaged tag keeps its history, also when it is removed", async (opened) => {
    const { tags } = opened.storage;
    const name = uniqueName();
    const [one, two] = (await opened.manifests(name, 2)) as [Digest, Digest];
    const tag = tagOf("damaged");
    await tags.point(name, tag, one, anywhere, note("user:a"));
    await opened.store.damageTag(name, tag);
    assert.deepEqual(await list(opened.storage, name, tag), [pointed(one, "user:a")]);
    await tags.point(name, tag, two, anywhere, note("user:b"));
    await opened.store.damageTag(name, tag);
    await tags.remove(name, tag, note("user:c").note);
    const [last, ...others] = await list(opened.storage, name, tag);
    assert.deepEqual(last, { kind: "removed", digest: undefined, by: "user:c" });
    assert.deepEqual(others, [pointed(two, "user:b"), pointed(one, "user:a")]);
  });

  promise("the history of removed tags does not keep an empty repository", async (opened) => {
    const { tags, manifests, repositories, history } = opened.storage;
    const name = uniqueName();
    const [digest] = (await opened.manifests(name, 1)) as [Digest];
    const tag = tagOf("gone");
    await tags.point(name, tag, digest, anywhere, note("user:a"));
    await tags.remove(name, tag, note("user:b").note);
    assert.equal(await repositories.removeEmpty(name), false);
    assert.deepEqual(await all(history.removed(name)), [tag], "nothing is removed");
    await manifests.remove(name, digest);
    assert.ok((await all(repositories.empty())).includes(name));
    assert.equal(await repositories.removeEmpty(name), true);
    assert.ok(!(await all(repositories.all())).includes(name));
    assert.ok(!(await all(repositories.empty())).includes(name));
    assert.deepEqual(await list(opened.storage, name, tag), []);
    assert.deepEqual(await all(history.removed(name)), []);
  });
}

function testReferrers(promise: Declare): void {
  const referrerOf = (size: number): Referrer => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: digestFor(randomBytes(20)),
    size,
    artifactType: "application/example",
    annotations: { "org.example.key": "value" },
  });

  promise("referrers of a subject are listed by digest, after any of them", async (opened) => {
    const { referrers } = opened.storage;
    const name = uniqueName();
    const [subject, other] = [digestFor(randomBytes(20)), digestFor(randomBytes(20))];
    assert.deepEqual(await all(referrers.list(name, subject)), []);
    const added = Array.from({ length: 20 }, (_, index) => referrerOf(index + 1));
    await Promise.all(added.map((referrer) => referrers.add(name, subject, referrer)));
    await referrers.add(name, other, referrerOf(100));
    const sorted = added.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
    assert.deepEqual(await all(referrers.list(name, subject)), sorted);
    const page = await first(7, referrers.list(name, subject));
    assert.deepEqual(page, sorted.slice(0, 7));
    assert.deepEqual(await all(referrers.list(name, subject, page.at(-1)?.digest)), sorted.slice(7));
    assert.deepEqual(await all(referrers.list(name, subject, sorted.at(-1)?.digest)), []);
    assert.equal((await all(referrers.all(name))).length, 21);
  });

  promise("all referrers of a subject are removed concurrently", async (opened) => {
    const { referrers } = opened.storage;
    const [name, subject] = [uniqueName(), digestFor(randomBytes(20))];
    for (let round = 0; round < 20; round++) {
      const added = Array.from({ length: 6 }, (_, index) => referrerOf(index + 1));
      await Promise.all(added.map((referrer) => referrers.add(name, subject, referrer)));
      await Promise.all(added.map((referrer) => referrers.remove(name, subject, referrer.digest)));
      assert.deepEqual(await all(referrers.all(name)), []);
    }
  });

  promise("an entry is found, replaced and removed", async (opened) => {
    const { referrers } = opened.storage;
    const name = uniqueName();
    const subject = digestFor(randomBytes(20));
    const referrer = referrerOf(10);
    assert.equal(await referrers.find(name, subject, referrer.digest), undefined);
    assert.equal(await referrers.has(name, subject, referrer.digest), false);
    await referrers.add(name, subject, referrer);
    assert.deepEqual(await referrers.find(name, subject, referrer.digest), referrer);
    const { annotations: _, ...plain } = referrer;
    await referrers.add(name, subject, plain);
    assert.deepEqual(await referrers.find(name, subject, referrer.digest), plain);
    assert.deepEqual(await all(referrers.all(name)), [{ subject, referrer: referrer.digest }]);
    await referrers.remove(name, subject, referrer.digest);
    await referrers.remove(name, subject, referrer.digest);
    assert.equal(await referrers.has(name, subject, referrer.digest), false);
    assert.deepEqual(await all(referrers.all(name)), []);
  });

  promise("a damaged entry exists, but is neither found nor listed", async (opened) => {
    const { referrers } = opened.storage;
    const name = uniqueName();
    const subject = digestFor(randomBytes(20));
    const [damaged, sound] = [referrerOf(1), referrerOf(2)];
    for (const referrer of [damaged, sound]) await referrers.add(name, subject, referrer);
    await opened.store.damageReferrer(name, subject, damaged.digest);
    assert.equal(await referrers.has(name, subject, damaged.digest), true);
    assert.equal(await referrers.find(name, subject, damaged.digest), undefined);
    assert.deepEqual(await all(referrers.list(name, subject)), [sound]);
    assert.equal((await all(referrers.all(name))).length, 2);
  });
}

function testRepositories(promiseAlone: Declare): void {
  const listed = ["a", "a-b/c", "a/b", "a/b/c/d", "a/tags", "b", "c/d", "c0"].map(parseRepositoryName);
  const blobsOnly = parseRepositoryName("a/b/e");

  promiseAlone("the catalog is in ASCII order, after any name, with any batch size", async (opened) => {
    const { repositories } = opened.storage;
    assert.deepEqual(await all(repositories.list()), []);
    for (const name of listed.toReversed()) await opened.manifests(name, 1);
    await opened.push(blobsOnly, randomBytes(10));
    assert.deepEqual(await all(repositories.list()), listed);
    for (const atOnce of [1, 3, 100]) {
      assert.deepEqual(await all(repositories.list("", atOnce)), listed);
      assert.deepEqual(await all(repositories.list("a/b", atOnce)), listed.slice(3));
      assert.deepEqual(await first(2, repositories.list("a", atOnce)), listed.slice(1, 3));
    }
    assert.deepEqual(await all(repositories.list("z")), []);
    assert.deepEqual((await all(repositories.all())).toSorted(), [...listed, blobsOnly].toSorted());
    assert.deepEqual(await all(repositories.empty()), []);
  });

  promiseAlone(
    "a repository stays in the catalog until it is removed, which requires it to be empty",
    async (opened) => {
      const { repositories, manifests, tags, referrers, blobs } = opened.storage;
      const [name, below] = [parseRepositoryName("a"), parseRepositoryName("a/b")];
      const [digest] = (await opened.manifests(name, 1)) as [Digest];
      await opened.manifests(below, 1);
      const tag = tagOf("v1");
      await tags.point(name, tag, digest, anywhere);
      const referrer = { mediaType: "application/example", digest, size: 1 };
      const subject = digestFor(randomBytes(10));
      await referrers.add(name, subject, referrer);
      const blob = await opened.push(name, randomBytes(10));
      for (const removal of [
        () => tags.remove(name, tag),
        () => referrers.remove(name, subject, digest),
        () => blobs.remove(name, blob),
        () => manifests.remove(name, digest),
      ]) {
        assert.deepEqual(await all(repositories.empty()), []);
        assert.equal(await repositories.removeEmpty(name), false);
        await removal();
      }
      assert.deepEqual(await all(repositories.list()), [name, below]);
      assert.deepEqual(await all(repositories.empty()), [name]);
      assert.equal(await repositories.removeEmpty(name), true);
      assert.deepEqual(await all(repositories.list()), [below]);
      assert.deepEqual(await all(repositories.empty()), []);
      await opened.manifests(name, 1);
      assert.deepEqual(await all(repositories.list()), [name, below]);
    },
  );

  promiseAlone("a repository that had only blobs and lost them can be removed", async (opened) => {
    const { repositories, blobs } = opened.storage;
    await blobs.remove(blobsOnly, await opened.push(blobsOnly, randomBytes(10)));
    // A driver without folders keeps no trace of it.
    for await (const name of repositories.empty()) {
      assert.equal(name, blobsOnly);
      assert.equal(await repositories.removeEmpty(name), true);
    }
    assert.deepEqual(await all(repositories.empty()), []);
    assert.deepEqual(await all(repositories.all()), []);
  });
}

function testWhole(promise: Declare, promiseAlone: Declare): void {
  promise("a note is gone after it was taken", async ({ storage: { notes } }) => {
    assert.equal(await notes.take("contract"), undefined);
    await notes.put("contract", Buffer.from("one"));
    await notes.put("contract", Buffer.from("two"));
    assert.equal((await notes.read("contract"))?.toString(), "two");
    assert.equal((await notes.take("contract"))?.toString(), "two");
    assert.equal(await notes.read("contract"), undefined);
    assert.equal(await notes.take("contract"), undefined);
  });

  promise("all callers get the same secret", async ({ storage: { secrets } }) => {
    const ask = () => secrets.secret("contract", () => randomBytes(32));
    const [secret, ...others] = await Promise.all(Array.from({ length: 8 }, ask));
    for (const other of [...others, await ask()]) assert.deepEqual(other, secret);
    assert.equal(secret?.length, 32);
  });

  const robot: Robot = {
    name: "builder" as RobotName,
    keyHash: "0".repeat(64),
    scopes: [{ repositories: ["team/**"], permissions: ["pull"] }],
    createdAt: 1,
  };

  promiseAlone("robots are added, replaced and removed", async ({ storage: { robots } }) => {
    assert.equal(await robots.remove(robot.name), false);
    await robots.put(robot);
    await robots.put({ ...robot, usedAt: 2 });
    assert.deepEqual(await all(robots.all()), [{ ...robot, usedAt: 2 }]);
    assert.equal(await robots.remove(robot.name), true);
    assert.deepEqual(await all(robots.all()), []);
  });

  promiseAlone("everything exists after a restart", async (opened) => {
    const name = parseRepositoryName("team/app");
    assert.equal(opened.storage.fresh, true);
    const bytes = randomBytes(1000);
    const blob = await opened.push(name, bytes);
    const [digest] = (await opened.manifests(name, 1)) as [Digest];
    const tag = tagOf("v1");
    await opened.storage.tags.point(name, tag, digest, anywhere);
    const referrer = { mediaType: "application/example", digest, size: 1 };
    await opened.storage.referrers.add(name, blob, referrer);
    await opened.storage.notes.put("contract", bytes);
    await opened.storage.robots.put(robot);
    const secret = await opened.storage.secrets.secret("contract", () => randomBytes(32));
    const total = opened.storage.measures.contents;
    const storage = await opened.reopen();
    assert.equal(storage.fresh, false);
    assert.deepEqual(await opened.read(name, blob), bytes);
    assert.equal((await storage.manifests.read(name, digest))?.length, 64);
    assert.equal(await storage.tags.resolve(name, tag), digest);
    assert.deepEqual(await storage.referrers.find(name, blob, digest), referrer);
    assert.deepEqual(await storage.secrets.secret("contract", () => randomBytes(32)), secret);
    assert.deepEqual(await storage.notes.take("contract"), bytes);
    assert.deepEqual(await all(storage.robots.all()), [robot]);
    assert.deepEqual(storage.measures.contents, total);
  });

  promise("the volume accepts writes, and reports its space if it has a limit", async ({ storage }) => {
    await storage.volume.probe();
    const space = await storage.volume.space();
    if (space !== undefined) assert.ok(space.totalBytes >= space.freeBytes && space.freeBytes > 0);
    assert.equal(storage.readOnly, false);
    await storage.workers.answer();
  });

  promiseAlone("every failure gives one of the port's errors", async (opened) => {
    if (opened.store.breakDown === undefined) return;
    const name = uniqueName();
    const bytes = randomBytes(100);
    const digest = digestFor(bytes);
    const { upload } = opened.begin(name);
    const repair = await opened.store.breakDown();
    const { storage } = opened;
    const isOfStorage = isFailure([
      "storage-full",
      "storage-read-only",
      "storage-failed",
      "storage-unavailable",
    ]);
    const referrer = { mediaType: "application/example", digest, size: 1 };
    try {
      for (const call of [
        async () => {
          await opened.append(upload, bytes, 0);
          await upload.flush(bytes.length);
        },
        () => opened.push(name, bytes),
        () => storage.manifests.write(name, digest, bytes),
        () => storage.manifests.list(name),
        () => storage.blobs.list(name),
        () => storage.tags.point(name, tagOf("v1"), digest, anywhere),
        () => all(storage.tags.targets(name)),
        () => storage.referrers.add(name, digest, referrer),
        () => storage.notes.put("contract", bytes),
        () => storage.secrets.secret("contract", () => bytes),
        () => storage.robots.put(robot),
        () => storage.volume.probe(),
        () => all(storage.uploads.all()),
        async () => storage.uploads.openScratchFile(),
      ])
        await assert.rejects(call, isOfStorage, String(call));
    } finally {
      await repair();
    }
  });
}
