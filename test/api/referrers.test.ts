// end-12: attached manifests, with every method that clients use.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, assertError, nextOf, serve } from "../support/client.js";
import {
  blobOf,
  type ContentDescriptor,
  describe,
  digestOf,
  type Image,
  image,
  index,
  newName,
  types,
} from "../support/content.js";

const { client } = await serve();
const sbom = "application/vnd.example.sbom.v1+json";
const signature = "application/vnd.example.signature.v1";

interface Referrer extends ContentDescriptor {
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}

/** Returns the referrers in a response that follows the specification. */
function referrersIn(answer: Answer): Referrer[] {
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers["content-type"], types.index);
  const { manifests, ...rest } = answer.json() as { manifests: Referrer[] };
  assert.deepEqual(rest, { schemaVersion: 2, mediaType: types.index });
  return manifests;
}

async function referrers(name: string, subject: Image, query = ""): Promise<Referrer[]> {
  return referrersIn(await client.get(`/v2/${name}/referrers/${subject.digest}${query}`));
}

function digestsOf(list: readonly { digest: string }[]): string[] {
  return list.map(({ digest }) => digest).sort();
}

test("the response to the push names the subject, and its referrer is listed in full", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, subject);
  const annotations = { "org.example.a": "1", b: "" };
  const attached = image({ subject: describe(subject), artifactType: sbom, annotations });
  const pushed = await client.pushImage(name, attached);
  assert.equal(pushed.headers["oci-subject"], subject.digest);
  assert.deepEqual(await referrers(name, subject), [
    { ...describe(attached), artifactType: sbom, annotations },
  ]);
  const head = await client.head(`/v2/${name}/referrers/${subject.digest}`);
  assert.deepEqual([head.status, head.body.length], [200, 0]);
});

const artifactTypes: readonly [what: string, make: (subject: object) => Image, type: string | undefined][] = [
  ["an image without one has its config's media type", (subject) => image({ subject }), types.config],
  ["an image with an empty one, too", (subject) => image({ subject, artifactType: "" }), types.config],
  ["an image with one has that", (subject) => image({ subject, artifactType: sbom }), sbom],
  ["an index without one has none", (subject) => index([], { subject }), undefined],
  ["an index with an empty one, too", (subject) => index([], { subject, artifactType: "" }), undefined],
  ["an index with one has that", (subject) => index([], { subject, artifactType: sbom }), sbom],
];
for (const [what, make, type] of artifactTypes) {
  test(`artifact type: ${what}`, async () => {
    const name = newName();
    const subject = image();
    const attached = make(describe(subject));
    await client.pushImage(name, attached);
    const [listed] = await referrers(name, subject);
    assert.equal(listed?.digest, attached.digest);
    assert.equal(listed?.mediaType, attached.mediaType);
    assert.equal(listed?.artifactType, type);
    assert.equal("artifactType" in (listed ?? {}), type !== undefined);
  });
}

test("a missing subject can have referrers, and be pushed later", async () => {
  const name = newName();
  const subject = image();
  const attached = image({ subject: describe(subject) });
  assert.equal((await client.pushImage(name, attached)).headers["oci-subject"], subject.digest);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [attached.digest]);
  await client.pushImage(name, subject);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [attached.digest]);
});

test("an object that nothing names has no referrers, and a list is never a 404", async () => {
  const name = newName();
  await client.pushImage(name, image());
  for (const repository of [name, newName("new")]) {
    assert.deepEqual(await referrers(repository, image()), []);
    assert.deepEqual(await referrers(repository, image(), `?artifactType=${signature}`), []);
  }
});

test("a referrer of another repository is not listed", async () => {
  const subject = image();
  const [one, other] = [newName(), newName()];
  await client.pushImage(one, image({ subject: describe(subject) }));
  assert.deepEqual(await referrers(other, subject), []);
});

test("a filter by artifact type is applied and reported, even if its plus sign is not escaped", async () => {
  const name = newName();
  const subject = image();
  const made = [sbom, signature, sbom].map((artifactType) =>
    image({ subject: describe(subject), artifactType }),
  );
  for (const attached of made) await client.pushImage(name, attached);
  const path = `/v2/${name}/referrers/${subject.digest}`;
  for (const text of [sbom, encodeURIComponent(sbom)]) {
    const answer = await client.get(`${path}?artifactType=${text}`);
    assert.deepEqual(answer.list("OCI-Filters-Applied"), ["artifactType"]);
    const expected = [made[0], made[2]].filter((attached) => attached !== undefined);
    assert.deepEqual(digestsOf(referrersIn(answer)), digestsOf(expected));
  }
  const none = await client.get(`${path}?artifactType=application/none`);
  assert.deepEqual(none.list("OCI-Filters-Applied"), ["artifactType"]);
  assert.deepEqual(referrersIn(none), []);
  const all = await client.get(path);
  assert.equal(all.headers["oci-filters-applied"], undefined);
  assert.equal(referrersIn(all).length, 3);
});

test("a long list is paginated, with each referrer once and the filter kept", async () => {
  const name = newName();
  const subject = image();
  const made = Array.from({ length: 7 }, (_, place) =>
    image({ subject: describe(subject), artifactType: place < 5 ? sbom : signature }),
  );
  for (const attached of made) await client.pushImage(name, attached);
  const filters: readonly [query: string, expected: Image[]][] = [
    ["", made],
    [`&artifactType=${encodeURIComponent(sbom)}`, made.slice(0, 5)],
  ];
  for (const [filter, expected] of filters) {
    for (const n of [1, 2, 5, 7, 100]) {
      const seen: Referrer[] = [];
      let next: string | undefined = `/v2/${name}/referrers/${subject.digest}?n=${n}${filter}`;
      while (next !== undefined) {
        const answer: Answer = await client.get(next);
        assert.equal(answer.headers["oci-filters-applied"] !== undefined, filter !== "");
        const page = referrersIn(answer);
        assert.ok(page.length <= n);
        seen.push(...page);
        next = nextOf(answer);
        assert.ok(seen.length <= expected.length);
      }
      assert.deepEqual(digestsOf(seen), digestsOf(expected));
    }
  }
});

test("a page of zero entries is empty and has no Link, as with tags", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, image({ subject: describe(subject) }));
  await client.pushImage(name, image({ subject: describe(subject) }));
  const answer = await client.get(`/v2/${name}/referrers/${subject.digest}?n=0`);
  assert.deepEqual(referrersIn(answer), []);
  assert.equal(nextOf(answer), undefined);
});

test("a list larger than a manifest may be is always paginated", async () => {
  const name = newName();
  const subject = image();
  const annotations = { long: "x".repeat(60_000) };
  const made = Array.from({ length: 80 }, () =>
    index([], { subject: describe(subject), annotations, i: Math.random() }),
  );
  for (const attached of made) await client.pushImage(name, attached);
  const seen: Referrer[] = [];
  let next: string | undefined = `/v2/${name}/referrers/${subject.digest}`;
  for (let count = 0; next !== undefined; count++) {
    const answer: Answer = await client.get(next);
    assert.ok(answer.body.length <= 4 * 1024 * 1024);
    seen.push(...referrersIn(answer));
    next = nextOf(answer);
    assert.ok(count < 6);
  }
  assert.deepEqual(digestsOf(seen), digestsOf(made));
});

test("an image attached by the referrers tag schema is listed once", async () => {
  const name = newName();
  const subject = image();
  await client.pushImage(name, subject);
  const attached = image({ subject: describe(subject), artifactType: sbom });
  const list = index([attached], { annotations: {} });
  const tag = subject.digest.replace(":", "-");
  await client.pushImage(name, attached);
  await client.pushImage(name, list, tag);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [attached.digest]);
  await client.pushImage(name, attached);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [attached.digest]);
  assert.deepEqual((await client.get(`/v2/${name}/manifests/${tag}`)).body, list.bytes);
});

test("a manifest may be both referrer and subject, and subjects of different algorithms are kept apart", async () => {
  const name = newName();
  const subject = image();
  const first = image({ subject: describe(subject) });
  const second = image({ subject: describe(first) });
  const long = image({ subject: { ...describe(subject), digest: digestOf(subject.bytes, "sha512") } });
  for (const made of [subject, first, second, long]) await client.pushImage(name, made);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [first.digest]);
  assert.deepEqual(digestsOf(await referrers(name, first)), [second.digest]);
  const other = await client.get(`/v2/${name}/referrers/${digestOf(subject.bytes, "sha512")}`);
  assert.deepEqual(digestsOf(referrersIn(other)), [long.digest]);
});

test("a deleted referrer is no longer listed, one with a deleted subject still is", async () => {
  const name = newName();
  const subject = image();
  const made = [image({ subject: describe(subject) }), image({ subject: describe(subject) })];
  for (const each of [subject, ...made]) await client.pushImage(name, each);
  assert.equal((await client.delete(`/v2/${name}/manifests/${made[0]?.digest}`)).status, 202);
  assert.equal((await client.delete(`/v2/${name}/manifests/${subject.digest}`)).status, 202);
  assert.deepEqual(digestsOf(await referrers(name, subject)), [made[1]?.digest]);
});

test("an invalid digest has no referrers: 400", async () => {
  const name = newName();
  for (const bad of ["latest", "sha256:abc", "sha256:", "md5:0123", blobOf(1).digest.toUpperCase()]) {
    assertError(await client.get(`/v2/${name}/referrers/${bad}`), 400, "DIGEST_INVALID");
  }
  const path = `/v2/${name}/referrers/${blobOf(1).digest}`;
  assertError(await client.get(`${path}?last=abc`), 400, "DIGEST_INVALID");
  assertError(await client.get(`${path}?n=-1`), 400, "PAGINATION_NUMBER_INVALID");
});

test("a client that walks referrers of referrers without memory reaches an end", async () => {
  const name = newName();
  const root = image();
  await client.pushImage(name, root);
  const first = image({ subject: describe(root) });
  await client.pushImage(name, first);
  const second = index([first, root], { subject: describe(first) });
  await client.putManifest(name, second.digest, second.bytes, second.mediaType);
  const third = image({ subject: describe(second) });
  await client.pushImage(name, third);
  const visits: string[] = [];
  const walk = async (digest: string, path: readonly string[]): Promise<void> => {
    assert.ok(!path.includes(digest), `${digest} is among its own referrers`);
    visits.push(digest);
    const answer = await client.get(`/v2/${name}/referrers/${digest}`);
    for (const referrer of referrersIn(answer)) await walk(referrer.digest, [...path, digest]);
  };
  await walk(root.digest, []);
  assert.deepEqual(
    visits,
    [root, first, second, third].map(({ digest }) => digest),
  );
});

test("a manifest that claims to be its own subject is refused: no content contains its own digest", async () => {
  const name = newName();
  const claimed = { ...describe(image()), size: 1 };
  const itself = image({ subject: claimed });
  await client.pushBlobs(name, ...itself.blobs);
  const answer = await client.putManifest(name, claimed.digest, itself.bytes, itself.mediaType);
  assertError(answer, 400, "DIGEST_INVALID");
  assert.deepEqual(referrersIn(await client.get(`/v2/${name}/referrers/${claimed.digest}`)), []);
});
