// If-Match and If-None-Match on PUT and DELETE of manifests (RFC 9110, section 13): 412 instead of a lost update, and a
// refused request leaves nothing.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { type Answer, assertError, Client } from "../support/client.js";
import { describe as descriptorOf, type Image, image, index, newName, types } from "../support/content.js";
import { serveInside } from "../support/server.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-preconditions-"));
after(() => rm(folder, { recursive: true, force: true }));
const policy = join(folder, "policy.json");
await writeFile(policy, JSON.stringify({ immutable: [{ tags: "v*" }] }));
const server = await serveInside({ REGISTRY_TAGS_POLICY: policy });
const client = new Client(server.url);

type Conditions = Readonly<Record<string, string>>;

const pathOf = (name: string, reference: string) => `/v2/${name}/manifests/${reference}`;
const etagOf = ({ digest }: Pick<Image, "digest">) => `"${digest}"`;

function put(name: string, reference: string, made: Image, conditions: Conditions): Promise<Answer> {
  const headers = { "Content-Type": made.mediaType, ...conditions };
  return client.request("PUT", pathOf(name, reference), { headers, body: made.bytes });
}

function remove(name: string, reference: string, conditions: Conditions): Promise<Answer> {
  return client.request("DELETE", pathOf(name, reference), { headers: conditions });
}

async function pointsTo(name: string, tag: string): Promise<string | undefined> {
  return (await client.head(pathOf(name, tag))).headers["docker-content-digest"] as string | undefined;
}

const [before, wanted, other] = [index([]), index([]), index([])];
const absent = undefined;

/** The tag's initial target, the conditions, and the status of PUT and of DELETE. */
const cases: readonly [current: Image | undefined, conditions: Conditions, put: number, remove: number][] = [
  [absent, { "If-None-Match": "*" }, 201, 404],
  [before, { "If-None-Match": "*" }, 412, 412],
  [wanted, { "If-None-Match": "*" }, 412, 412],
  [absent, { "If-None-Match": etagOf(before) }, 201, 404],
  [before, { "If-None-Match": etagOf(before) }, 412, 412],
  [before, { "If-None-Match": `W/${etagOf(before)}` }, 412, 412],
  [before, { "If-None-Match": etagOf(other) }, 201, 202],
  [absent, { "If-Match": "*" }, 412, 404],
  [before, { "If-Match": "*" }, 201, 202],
  [absent, { "If-Match": etagOf(before) }, 412, 404],
  [before, { "If-Match": etagOf(before) }, 201, 202],
  [before, { "If-Match": etagOf(other) }, 412, 412],
  [before, { "If-Match": `"something,else" ,, ${etagOf(other)},\t${etagOf(before)}` }, 201, 202],
  // Its comparison is strong.
  [before, { "If-Match": `W/${etagOf(before)}` }, 412, 412],
  // The tag already has the wanted target: the response to the first attempt may have been lost.
  [wanted, { "If-Match": etagOf(before) }, 201, 412],
  [before, { "If-Match": etagOf(before), "If-None-Match": etagOf(other) }, 201, 202],
  [before, { "If-Match": etagOf(before), "If-None-Match": "*" }, 412, 412],
];

describe("a precondition on a tag", { concurrency: 4 }, () => {
  for (const [current, conditions, putStatus, deleteStatus] of cases) {
    const where =
      current === absent ? "no tag" : current === wanted ? "the new manifest" : "another manifest";
    test(`${JSON.stringify(conditions)} where there is ${where}`, async () => {
      const name = newName();
      if (current !== undefined) await put(name, "latest", current, {});
      const answer = await put(name, "latest", wanted, conditions);
      assert.equal(answer.status, putStatus, answer.body.toString());
      if (putStatus === 412) {
        assertError(answer, 412, "DENIED");
        assert.equal(await pointsTo(name, "latest"), current?.digest);
        if (current !== wanted)
          assert.equal(await pointsTo(name, wanted.digest), undefined, "nothing is stored");
      } else {
        assert.equal(answer.headers.etag, etagOf(wanted));
        assert.equal(await pointsTo(name, "latest"), wanted.digest);
      }

      const again = newName();
      if (current !== undefined) await put(again, "latest", current, {});
      assert.equal((await remove(again, "latest", conditions)).status, deleteStatus);
      assert.equal(await pointsTo(again, "latest"), deleteStatus === 202 ? undefined : current?.digest);
    });
  }
});

for (const conditions of [
  { "If-Match": before.digest },
  { "If-None-Match": before.digest },
  { "If-Match": `"${before.digest}` },
  { "If-None-Match": "*, *" },
  { "If-Match": 'w/"x"' },
  { "If-Match": "" },
  { "If-None-Match": "" },
  { "If-Match": " ,, " },
]) {
  test(`${JSON.stringify(conditions)} is refused and changes nothing`, async () => {
    const name = newName();
    await put(name, "latest", before, {});
    for (const answer of [
      await put(name, "latest", wanted, conditions),
      await remove(name, "latest", conditions),
    ])
      assertError(answer, 400, "UNSUPPORTED");
    assert.equal(await pointsTo(name, "latest"), before.digest);
  });
}

test("412 states whether the manifest differs or does not exist", async () => {
  const name = newName();
  const messageOf = ({ body }: Answer) =>
    (JSON.parse(body.toString()) as { errors: [{ message: string }] }).errors[0].message;
  const nothing = /there is no such manifest.*push without If-Match/;
  for (const reference of ["latest", wanted.digest])
    assert.match(messageOf(await put(name, reference, wanted, { "If-Match": "*" })), nothing);
  await put(name, "latest", before, {});
  const changed = /someone else has changed or created the manifest/;
  assert.match(messageOf(await put(name, "latest", wanted, { "If-Match": etagOf(other) })), changed);
  assert.match(messageOf(await put(name, "latest", wanted, { "If-None-Match": "*" })), changed);
});

test("an invalid field of 32 KiB is parsed in one pass", async () => {
  for (const text of [" ".repeat(32_000), ",".repeat(32_000), '"'.repeat(32_000), `"${"a".repeat(32_000)}`]) {
    const since = performance.now();
    await put(newName(), "latest", wanted, { "If-Match": `"a"${text}x` });
    assert.ok(performance.now() - since < 2_000, "quadratic time would take many seconds");
  }
});

test("with a digest, the precondition applies to that manifest, not to the tags beside it", async () => {
  const name = newName();
  await put(name, "latest", before, {});
  const both = `${wanted.digest}?tag=latest`;
  assert.equal((await put(name, both, wanted, { "If-Match": "*" })).status, 412);
  assert.equal(await pointsTo(name, "latest"), before.digest);
  assert.equal((await put(name, both, wanted, { "If-None-Match": "*" })).status, 201);
  assert.equal(await pointsTo(name, "latest"), wanted.digest);
  assert.equal((await put(name, both, wanted, { "If-None-Match": "*" })).status, 412);
  assert.equal((await remove(name, wanted.digest, { "If-Match": etagOf(before) })).status, 412);
  assert.equal((await remove(name, other.digest, { "If-Match": etagOf(before) })).status, 404);
  assert.equal((await remove(name, wanted.digest, { "If-Match": etagOf(wanted) })).status, 202);
});

test("an immutable tag is created once, and cannot be moved or deleted with the right precondition", async () => {
  const name = newName();
  assert.equal((await put(name, "v1", before, { "If-None-Match": "*" })).status, 201);
  assert.equal(
    (await put(name, "v1", before, { "If-None-Match": "*" })).status,
    412,
    "also with the same manifest",
  );
  assert.equal((await put(name, "v1", wanted, { "If-None-Match": "*" })).status, 412);
  assert.equal((await put(name, "v1", wanted, { "If-Match": etagOf(other) })).status, 412);
  assertError(await put(name, "v1", wanted, { "If-Match": etagOf(before) }), 403, "DENIED");
  assert.equal((await put(name, "v1", before, { "If-Match": etagOf(before) })).status, 201);
  // RFC 9110, section 13.2.1: a precondition is ignored if the request would fail without it.
  assert.equal((await remove(name, "v1", { "If-Match": etagOf(other) })).status, 403);
  assert.equal(await pointsTo(name, "v1"), before.digest);
});

test("of many concurrent creators of a tag one succeeds, and the others leave nothing", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, subject, "subject");
  const made = Array.from({ length: 32 }, () => index([], { subject: descriptorOf(subject) }));
  const answers = await Promise.all(made.map((one) => put(name, "latest", one, { "If-None-Match": "*" })));
  const winners = made.filter((_, place) => answers[place]?.status === 201);
  assert.equal(winners.length, 1);
  assert.equal(answers.filter(({ status }) => status === 412).length, 31);
  const manifests = await readdir(`${server.place}/manifests/${name}`);
  const stored = manifests.filter((entry) => entry.startsWith("sha256:"));
  assert.deepEqual(stored.sort(), [subject.digest, winners[0]?.digest].sort());
  const referrers = await readdir(`${server.place}/manifests/${name}/_referrers/${subject.digest}`);
  assert.deepEqual(referrers, [winners[0]?.digest]);
  assert.equal(server.services.cluster.targetLocks.size, 0);
});

test("concurrent updates of one index lose no update, also beside pushes of other tags", async () => {
  const name = newName();
  const jobs = Array.from({ length: 12 }, () => image());
  for (const job of jobs) await client.pushImage(name, job);
  await put(name, "latest", index([]), {});
  let refused = 0;
  await Promise.all(
    jobs.map(async (job) => {
      for (;;) {
        const found = await client.get(pathOf(name, "latest"));
        const { manifests } = found.json() as { manifests: object[] };
        const next = index([], { manifests: [...manifests, descriptorOf(job)] });
        await put(name, `free-${job.digest.slice(7, 20)}`, index([]), {});
        const { status } = await put(name, "latest", next, { "If-Match": String(found.headers.etag) });
        if (status === 201) return;
        assert.equal(status, 412);
        refused++;
      }
    }),
  );
  const { manifests } = (await client.get(pathOf(name, "latest"))).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(manifests.map(({ digest }) => digest).sort(), jobs.map(({ digest }) => digest).sort());
  assert.ok(refused > 0, "the jobs did not overlap");
});

test("a push without a precondition is not lost between the check and the pointing of one with it", async () => {
  const name = newName();
  await put(name, "latest", before, {});
  for (let round = 0; round < 20; round++) {
    const [plain, conditional] = [index([]), index([])];
    const current = await pointsTo(name, "latest");
    const [, answer] = await Promise.all([
      put(name, "latest", plain, {}),
      put(name, "latest", conditional, { "If-Match": `"${current}"` }),
    ]);
    // The conditional push was first and was replaced, or was refused: it never replaces a state that it has not seen.
    assert.ok(answer.status === 201 || answer.status === 412);
    assert.equal(await pointsTo(name, "latest"), plain.digest);
    const { status } = await client.head(pathOf(name, conditional.digest));
    assert.equal(status, answer.status === 201 ? 200 : 404);
  }
});

test("the storage itself compares before it points, whoever else points the tag", async () => {
  const { tags } = server.services.storage;
  const [name, tag] = [parseRepositoryName(newName()), parseTag("latest")];
  const [first, second] = [parseDigest(before.digest), parseDigest(wanted.digest)];
  for (const made of [before, wanted]) await put(name, made.digest, made, {});
  const movable = true;
  assert.equal(
    await tags.point(name, tag, first, { movable, precondition: { match: "anything" } }),
    "precondition-failed",
  );
  assert.equal(await tags.resolve(name, tag), undefined);
  assert.equal(
    await tags.point(name, tag, first, { movable, precondition: { noneMatch: "anything" } }),
    "pointed",
  );
  const match = new Set([second]);
  const failed = await tags.point(name, tag, parseDigest(other.digest), {
    movable: false,
    precondition: { match },
  });
  assert.equal(failed, "precondition-failed", "before the check whether it may move");
  assert.equal(await tags.point(name, tag, second, { movable: false }), "immovable");
  assert.equal(await tags.resolve(name, tag), first);
});

test("an invalid manifest is refused as such, and types work as without a precondition", async () => {
  const broken = { ...before, bytes: Buffer.from("{") };
  assertError(await put(newName(), "latest", broken, { "If-None-Match": "*" }), 400, "MANIFEST_INVALID");
  const missing = image();
  const answer = await put(newName(), "latest", missing, { "If-None-Match": "*" });
  assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
  assert.equal(missing.mediaType, types.manifest);
});
