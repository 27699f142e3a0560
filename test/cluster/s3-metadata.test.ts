// What the S3 driver keeps beside blobs: the requests that each call costs, damaged objects, the catalog with and without
// markers, and races. test/contract/storage.ts tests the promises of the port.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { RegistryError } from "../../src/domain/errors.js";
import type { Tag } from "../../src/domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import { S3Client } from "../../src/storage/s3/client.js";
import { portError, S3Failure } from "../../src/storage/s3/failure.js";
import { keys } from "../../src/storage/s3/keys.js";
import { type S3Metadata, s3Metadata } from "../../src/storage/s3/metadata.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import { digestOf } from "../support/content.js";
import { countByKind } from "../support/s3-requests.js";
import {
  needsMinio,
  needsVersitygw,
  type S3Engine,
  type S3Server,
  startS3Server,
} from "../support/s3-server.js";

interface Opened extends S3Metadata {
  readonly server: S3Server;
  readonly client: S3Client;
  /** Keys that were reported as stray. */
  readonly strays: string[];
}

for (const [engine, skip] of [
  ["versitygw", needsVersitygw],
  ["minio", needsMinio],
] as const)
  testMetadata(engine, skip);

function digestFor(bytes: Uint8Array): Digest {
  return parseDigest(digestOf(bytes, "sha256"));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function testMetadata(engine: S3Engine, skip: string | false): void {
  const starting = skip === false ? startS3Server(engine) : undefined;
  starting?.catch(() => {});
  after(async () => (await starting)?.stop());
  let count = 0;

  /** Runs `check` on an empty store of its own. */
  const on = (what: string, check: (opened: Opened) => Promise<void>) =>
    test(`${engine}: ${what}`, { skip }, async () => {
      assert.ok(starting !== undefined);
      const server = await starting;
      const client = server.client(`store-${count++}/`);
      const strays: string[] = [];
      const metadata = s3Metadata(client, (key) => void strays.push(key));
      await check({ server, client, strays, ...metadata });
    });

  /** Resolves with the requests that `work` costs, by kind. */
  const costOf = async ({ server }: Opened, work: () => Promise<unknown>) => {
    await server.resetRequests();
    await work();
    return countByKind(await server.requests());
  };

  const name = parseRepositoryName("team/app");
  const tag = "latest" as Tag;

  const pushed = async ({ manifests }: Opened, to: RepositoryName = name): Promise<Digest> => {
    const bytes = randomBytes(100);
    await manifests.write(to, digestFor(bytes), bytes);
    return digestFor(bytes);
  };

  on("a push of a new manifest costs one request, and so does its tag", async (opened) => {
    const bytes = randomBytes(100);
    const digest = digestFor(bytes);
    const push = () => opened.manifests.write(name, digest, bytes);
    assert.deepEqual(await costOf(opened, push), { "PUT PutObject": 1 });
    const point = () => opened.tags.point(name, tag, digest, { movable: true });
    assert.deepEqual(await costOf(opened, point), { "PUT PutObject": 1 });
    assert.deepEqual(await costOf(opened, () => opened.tags.resolve(name, tag)), { "GET GetObject": 1 });
  });

  on("pages of the catalog cost two requests, however many repositories there are", async (opened) => {
    const { client, repositories } = opened;
    const names = Array.from({ length: 60 }, (_, index) => parseRepositoryName(`r${index + 10}/a`));
    await Promise.all(names.map((each) => pushed(opened, each)));
    await client.put(keys.catalogued(parseRepositoryName("r1/b")), new Uint8Array());
    const page: string[] = [];
    const cost = await costOf(opened, async () => {
      for await (const each of repositories.list("r20/a", 11)) if (page.push(each) === 10) break;
    });
    assert.deepEqual(page, names.slice(11, 21));
    assert.equal(
      Object.values(cost).reduce((sum, each) => sum + each, 0),
      2,
    );
  });

  on(
    "the catalog is in ASCII order, also of names that begin like others, after any text",
    async (opened) => {
      const { repositories } = opened;
      const names = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a_b", "ab", "b"];
      for (const [index, text] of names.entries()) {
        const each = parseRepositoryName(text);
        const digest = await pushed(opened, each);
        // Every other one has a marker only.
        if (index % 2 === 1) await opened.manifests.remove(each, digest);
      }
      assert.deepEqual(await all(repositories.list()), names);
      for (const start of [
        "A",
        "a",
        "a+",
        "a-b/",
        "a/",
        "a/b",
        "a/b-",
        "a0\u{10ffff}",
        "aa",
        "zz",
        "\u{1f600}",
      ])
        for (const atOnce of [1, 3, 1000])
          assert.deepEqual(
            await all(repositories.list(start, atOnce)),
            names.filter((each) => each > start),
            start,
          );
      assert.deepEqual(await all(repositories.all()), names);
      assert.deepEqual(await all(repositories.empty()), ["a-b", "a.b", "a/b-c", "a0", "ab"]);
    },
  );

  on("a removed manifest leaves a marker, and an absent one none", async (opened) => {
    const { manifests, repositories, tags } = opened;
    assert.equal(await manifests.remove(name, digestFor(randomBytes(1))), false);
    assert.deepEqual(await all(repositories.list()), []);
    assert.equal(await tags.list(name), undefined);
    await manifests.remove(name, await pushed(opened));
    assert.deepEqual(await tags.list(name), []);
    assert.deepEqual(await all(repositories.empty()), [name]);
    assert.equal(await repositories.removeEmpty(name), true);
    assert.equal(await tags.list(name), undefined);
  });

  on("what an emptied repository has of removed tags goes with it", async (opened) => {
    const { client, repositories } = opened;
    await client.put(keys.pull(name, tag), Buffer.from('{"at":1}'));
    assert.deepEqual(await all(repositories.empty()), [name]);
    assert.equal(await repositories.removeEmpty(name), true);
    assert.deepEqual(await all(client.list("")), []);
  });

  on("times and sizes of many manifests cost one listing, and equal those of few", async (opened) => {
    const { manifests } = opened;
    const digests = await Promise.all(Array.from({ length: 40 }, () => pushed(opened)));
    const missing = digestFor(randomBytes(9));
    const wanted = [missing, ...digests];
    let times: (number | undefined)[] = [];
    const cost = await costOf(opened, async () => {
      times = await all(manifests.pushedAt(name, wanted));
    });
    assert.equal(
      Object.values(cost).reduce((sum, each) => sum + each, 0),
      1,
    );
    assert.equal(times[0], undefined);
    for (const [index, digest] of digests.slice(0, 5).entries())
      assert.deepEqual(await all(manifests.pushedAt(name, [digest])), [times[index + 1]]);
    assert.deepEqual(
      await all(manifests.sizes(name, wanted)),
      digests.map(() => 100),
    );
  });

  on("the time of a manifest's first push stays, and damaged bytes are replaced", async (opened) => {
    const { manifests, client } = opened;
    const bytes = randomBytes(100);
    const digest = digestFor(bytes);
    await manifests.write(name, digest, bytes);
    const [first] = await all(client.list(keys.manifests(name)));
    await manifests.write(name, digest, bytes);
    assert.deepEqual(await all(client.list(keys.manifests(name))), [first]);
    await client.put(keys.manifest(name, digest), Buffer.from("damage"));
    await manifests.write(name, digest, bytes);
    assert.deepEqual(await manifests.read(name, digest), bytes);
  });

  on("times of tags are the same one by one and all together", async (opened) => {
    const { tags } = opened;
    const digest = await pushed(opened);
    const names = ["a", "b", "c"] as Tag[];
    for (const each of names) await tags.point(name, each, digest, { movable: true });
    await tags.setPulledAt(name, "b" as Tag, 5000);
    const together = await all(tags.times(name));
    assert.deepEqual(await all(tags.times(name, names)), together);
    assert.deepEqual(
      together.map(({ times }) => times?.pulledAt),
      [undefined, 5000, undefined],
    );
    assert.equal(await tags.remove(name, "b" as Tag), true);
    await tags.point(name, "b" as Tag, digest, { movable: true });
    assert.equal((await all(tags.times(name, ["b" as Tag])))[0]?.times?.pulledAt, undefined);
  });

  on("damaged and foreign objects are reported, and hide no others", async (opened) => {
    const { client, tags, referrers, robots, strays } = opened;
    const digest = await pushed(opened);
    const damage = (key: string) => client.put(key, Buffer.from('{"digest":7'));
    await tags.point(name, tag, digest, { movable: true });
    const damaged = [keys.tag(name, "damaged"), keys.referrer(name, digest, digest), keys.robot("builder")];
    for (const key of damaged) await damage(key);
    assert.deepEqual(await all(tags.targets(name)), [{ tag: "damaged" }, { tag, digest }]);
    assert.deepEqual(await all(referrers.list(name, digest)), []);
    assert.deepEqual(await all(robots.all()), []);
    assert.deepEqual(strays.splice(0), damaged);
    const foreign = [keys.tag(name, "no,tag"), keys.robot("no,robot"), `${keys.catalog}Foreign`];
    for (const key of foreign) await damage(key);
    assert.deepEqual(await tags.list(name), ["damaged", tag]);
    await all(robots.all());
    assert.deepEqual(await all(opened.repositories.list()), [name]);
    assert.deepEqual(strays.sort(), [...foreign, damaged[2]].sort());
  });

  on("an object too large for a record counts as damaged, without being read", async (opened) => {
    const { client, tags } = opened;
    await client.put(keys.tag(name, tag), Buffer.alloc(3 * 1024 * 1024));
    assert.deepEqual(await tags.inspect(name, tag), { tag });
    const digest = await pushed(opened);
    assert.equal(await tags.point(name, tag, digest, { movable: false }), "pointed");
    assert.equal(await tags.resolve(name, tag), digest);
  });

  on("of sixteen callers on two nodes who point a tag with a condition, one succeeds", async (opened) => {
    const { tags } = opened;
    const other = s3Metadata(opened.server.client(opened.client.requests.place.prefix), () => {});
    const digests = await Promise.all(Array.from({ length: 16 }, () => pushed(opened)));
    for (const match of [undefined, digests[0] as Digest]) {
      const precondition =
        match === undefined ? ({ noneMatch: "anything" } as const) : { match: new Set([match]) };
      if (match !== undefined) await tags.point(name, tag, match, { movable: true });
      const others = match === undefined ? digests : digests.slice(1);
      const results = await Promise.all(
        others.map((digest, index) =>
          (index % 2 === 0 ? tags : other.tags).point(name, tag, digest, { movable: true, precondition }),
        ),
      );
      assert.equal(results.filter((result) => result === "pointed").length, 1);
      assert.equal(await tags.resolve(name, tag), others[results.indexOf("pointed")]);
    }
  });

  on("many callers who point an immutable tag to one manifest all succeed", async (opened) => {
    const digest = await pushed(opened);
    const point = () => opened.tags.point(name, tag, digest, { movable: false });
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 16 }, point))), new Set(["pointed"]));
  });

  on("a missing bucket is a failure, not an empty store", async ({ server, client: { requests } }) => {
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = server;
    const place = { ...requests.place, bucket: "missing" };
    const limits = { ...requests.limits, requestSeconds: 0 };
    const lost = new S3Client(new S3Requests(place, limits, async () => ({ accessKeyId, secretAccessKey })));
    for (const call of [
      () => lost.get("key"),
      () => all(lost.list("")),
      () => lost.put("key", Buffer.from("x")),
      () => lost.put("key", Buffer.from("x"), { ifMatch: '"etag"' }),
    ])
      await assert.rejects(call, S3Failure, String(call));
    await lost.close();
  });
}

test("what a store says is not told to clients", () => {
  const said = "AccessDenied: arn:aws:iam::123456789012:user/somebody may not do that";
  const error = portError(new S3Failure(said, { status: 403 }));
  assert.ok(error instanceof RegistryError && error.kind === "storage-failed");
  assert.ok(!error.message.includes("arn") && String(error.cause).includes("arn"));
});

test("a name that is too long for the store is invalid", () => {
  const error = portError(
    new S3Failure("KeyTooLongError: too long", { status: 400, code: "KeyTooLongError" }),
  );
  assert.ok(error instanceof RegistryError && error.kind === "name-invalid");
});
