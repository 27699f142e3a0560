// Bounds on a manifest's content: an excess is refused with the reason, whatever the size of its body, and large manifests
// within the bounds work like small ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, serve } from "../support/client.js";
import { blobOf, descriptorOf, digestOf, image, manifestOf, newName, types } from "../support/content.js";

const { client } = await serve();
const lenient = await serve({ REGISTRY_VALIDATION_MANIFESTS_SIZES: "lenient" });

const layer = descriptorOf(blobOf("layer"), types.layer);
const excessive: readonly [what: string, fields: Record<string, unknown>, setting: string][] = [
  ["too many layers", { layers: Array(10_001).fill(layer) }, "limits.manifestdescriptors"],
  [
    "too many annotations",
    { annotations: Object.fromEntries(Array.from({ length: 100_001 }, (_, key) => [`k${key}`, ""])) },
    "limits.manifestkeys",
  ],
  ["too deep", { other: JSON.parse(`${"[".repeat(40)}${"]".repeat(40)}`) }, "limits.manifestdepth"],
  [
    "too large annotations beside a subject",
    { subject: layer, annotations: { a: "x".repeat(70_000) } },
    "limits.annotationbytes",
  ],
];
for (const [what, fields, setting] of excessive) {
  test(`a manifest with ${what} gets 400 with the setting's name`, async () => {
    const name = newName();
    const made = image({ layers: [], ...fields });
    const answer = await client.putManifest(name, "large", made.bytes, made.mediaType);
    assertError(answer, 400, "MANIFEST_INVALID");
    assert.match(answer.body.toString(), new RegExp(setting));
  });
}

test("a manifest of 10,000 layers is pushed, pulled, listed as a referrer and deleted", async () => {
  const name = newName();
  const blob = blobOf("a layer of many");
  const subject = image();
  await client.pushImage(name, subject, "subject");
  const made = image({
    layers: Array(10_000).fill(descriptorOf(blob, types.layer)),
    subject: descriptorOf(subject, types.manifest),
    annotations: { key: "x".repeat(60_000) },
  });
  await client.pushBlobs(name, blob);
  const pushed = await client.pushImage(name, made, "many");
  assert.equal(pushed.headers["oci-subject"], subject.digest);
  assert.ok((await client.get(`/v2/${name}/manifests/many`)).body.equals(made.bytes));
  const listed = (await client.get(`/v2/${name}/referrers/${subject.digest}`)).json() as {
    manifests: { digest: string; annotations: { key: string } }[];
  };
  assert.deepEqual(
    listed.manifests.map(({ digest, annotations }) => [digest, annotations.key.length]),
    [[made.digest, 60_000]],
  );
  assert.equal((await client.delete(`/v2/${name}/manifests/${made.digest}`)).status, 202);
  const left = (await client.get(`/v2/${name}/referrers/${subject.digest}`)).json() as { manifests: [] };
  assert.deepEqual(left.manifests, []);
});

test("a large manifest with a wrong digest, wrong JSON or a missing layer gets the same errors as a small one", async () => {
  const name = newName();
  const layers = Array(5_000).fill(layer);
  const made = image({ layers });
  await client.pushBlobs(name, ...made.blobs);
  assertError(await client.putManifest(name, "a", made.bytes, types.manifest), 400, "MANIFEST_BLOB_UNKNOWN");
  const cut = made.bytes.subarray(0, -1);
  assertError(await client.putManifest(name, "a", cut, types.manifest), 400, "MANIFEST_INVALID");
  const wrong = await client.putManifest(name, digestOf("other"), made.bytes, types.manifest);
  assertError(wrong, 400, "DIGEST_INVALID");
});

test("a push with keys that differ only in case is refused, because Go clients would read another image", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  const ambiguous = manifestOf({ ...JSON.parse(made.bytes.toString()), Layers: [] }, []);
  const answer = await client.putManifest(name, "a", ambiguous.bytes, types.manifest);
  assertError(answer, 400, "MANIFEST_INVALID");
  assert.match(answer.body.toString(), /differs from layers only in case/);
});

test("a wrong size and wrong embedded data are refused, or stored if the setting is lenient", async () => {
  const blob = blobOf("{}");
  const config = descriptorOf(blob, types.config);
  const wrong = [
    image({ layers: [], config: { ...config, size: 3 } }),
    image({ layers: [], config: { ...config, data: Buffer.from("[]").toString("base64") } }),
    image({ layers: [], config: { ...config, data: Buffer.from("{} ").toString("base64") } }),
  ];
  for (const made of wrong) {
    const name = newName();
    await client.pushBlobs(name, blob);
    const answer = await client.putManifest(name, "a", made.bytes, types.manifest);
    assertError(answer, 400, "MANIFEST_INVALID");
    assert.match(answer.body.toString(), /validation\.manifests\.sizes/);
    await lenient.client.pushBlobs(name, blob);
    const stored = await lenient.client.putManifest(name, "a", made.bytes, types.manifest);
    assert.equal(stored.status, 201, stored.body.toString());
    assert.ok((await lenient.client.get(`/v2/${name}/manifests/a`)).body.equals(made.bytes));
  }
});

test("a config without a media type is accepted, as in CNCF distribution, and gives no artifact type", async () => {
  const name = newName();
  const [config, subject] = [blobOf("{}"), image()];
  await client.pushImage(name, subject, "subject");
  const made = image({
    layers: [],
    config: { ...descriptorOf(config, ""), mediaType: "" },
    subject: descriptorOf(subject, types.manifest),
  });
  await client.pushBlobs(name, config);
  assert.equal((await client.putManifest(name, "a", made.bytes, types.manifest)).status, 201);
  const listed = (await client.get(`/v2/${name}/referrers/${subject.digest}`)).json() as {
    manifests: { artifactType?: string }[];
  };
  assert.deepEqual(
    listed.manifests.map(({ artifactType }) => artifactType),
    [undefined],
  );
});
