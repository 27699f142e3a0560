// What a manifest is at a glance: its kind, as the tools that push such artifacts mark it, its platforms and its size.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ArtifactKind } from "../../src/domain/artifact-kind.js";
import { manifestFacts, platformInConfig } from "../../src/domain/manifest-facts.js";
import {
  blobOf,
  describe,
  descriptorOf,
  type Fields,
  image,
  index,
  manifestOf,
  types,
} from "../support/content.js";

const empty = "application/vnd.oci.empty.v1+json";

/** An OCI manifest with a config and one layer of these media types. */
function artifact(config: string, layer: string, fields: Fields = {}) {
  const blobs = [blobOf(10), blobOf(20)] as const;
  return manifestOf({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptorOf(blobs[0], config),
    layers: [descriptorOf(blobs[1], layer)],
    ...fields,
  });
}

const kinds: readonly [what: string, config: string, layer: string, fields: Fields, content: ArtifactKind][] =
  [
    ["an image", types.config, types.layer, {}, "image"],
    ["an image of Docker", types.dockerConfig, types.dockerLayer, {}, "image"],
    [
      "a Helm chart",
      "application/vnd.cncf.helm.config.v1+json",
      "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
      {},
      "helm-chart",
    ],
    ["a WASM component", "application/vnd.wasm.config.v0+json", "application/wasm", {}, "wasm"],
    ["cosign's signature", types.config, "application/vnd.dev.cosign.simplesigning.v1+json", {}, "signature"],
    ["cosign's attestation", types.config, "application/vnd.dsse.envelope.v1+json", {}, "attestation"],
    ["BuildKit's attestation", types.config, "application/vnd.in-toto+json", {}, "attestation"],
    [
      "notation's signature",
      empty,
      "application/jose+json",
      { artifactType: "application/vnd.cncf.notary.signature" },
      "signature",
    ],
    [
      "a Sigstore bundle of a signature",
      empty,
      "application/vnd.dev.sigstore.bundle.v0.3+json",
      { annotations: { "dev.sigstore.bundle.content": "message-signature" } },
      "signature",
    ],
    [
      "a Sigstore bundle of an attestation",
      empty,
      "application/vnd.dev.sigstore.bundle.v0.3+json",
      {
        artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
        annotations: { "dev.sigstore.bundle.content": "dsse-envelope" },
      },
      "attestation",
    ],
    ["an SBOM", empty, "application/spdx+json", { artifactType: "application/spdx+json" }, "sbom"],
    ["an SBOM of cosign", types.config, "text/spdx", {}, "sbom"],
    ["files of ORAS", empty, "text/plain", { artifactType: "application/vnd.acme.rocket" }, "artifact"],
    ["BuildKit's cache", "application/vnd.buildkit.cacheconfig.v0", types.layer, {}, "cache"],
  ];
for (const [what, config, layer, fields, content] of kinds) {
  test(`content: ${what}`, () => {
    assert.equal(manifestFacts(artifact(config, layer, fields).bytes)?.content, content);
  });
}

test("an image has its config and its layers, each counted once", () => {
  const [one, two] = [descriptorOf(blobOf(100), types.layer), descriptorOf(blobOf(30), types.layer)];
  const { bytes } = image({ layers: [one, two, one] });
  const facts = manifestFacts(bytes);
  assert.equal(facts?.otherBytes, 0);
  const { config } = JSON.parse(bytes.toString()) as { config: { digest: string; size: number } };
  assert.deepEqual(
    [...(facts?.contents ?? [])],
    [config, one, two].map(({ digest, size }) => [digest, size]),
  );
});

test("an index has the platforms of its entries, and knows which are attestations", () => {
  const entry = (fields: Fields) => ({ ...describe(image()), ...fields });
  const arm = { os: "linux", architecture: "arm64", variant: "v8" };
  const windows = { os: "windows", architecture: "amd64", "os.version": "10.0.1" };
  const annotations = { "vnd.docker.reference.type": "attestation-manifest" };
  const manifests = [
    entry({ platform: arm }),
    entry({ platform: windows }),
    entry({ platform: { os: "unknown", architecture: "unknown" }, annotations }),
    entry({}),
    { nothing: true },
  ];
  const facts = manifestFacts(index([], { manifests }).bytes);
  assert.deepEqual(
    facts?.children.map(({ platform, isAttestation }) => [platform, isAttestation]),
    [
      [arm, false],
      [{ os: "windows", architecture: "amd64", osVersion: "10.0.1" }, false],
      [undefined, true],
      [undefined, false],
    ],
  );
  assert.deepEqual([facts?.content, facts?.childCount], ["index", 5]);
});

test("a config has a platform, or not", () => {
  const config = { os: "linux", architecture: "amd64", created: "2026-01-01T00:00:00.5Z" };
  assert.deepEqual(platformInConfig(Buffer.from(JSON.stringify(config))), {
    os: "linux",
    architecture: "amd64",
  });
  assert.equal(platformInConfig(Buffer.from("{}")), undefined);
});

test("any JSON is read without an exception, and bounded", () => {
  const manifest = fc.record(
    {
      mediaType: fc.jsonValue(),
      artifactType: fc.oneof(fc.string({ maxLength: 300 }), fc.jsonValue()),
      config: fc.jsonValue(),
      layers: fc.oneof(fc.array(fc.jsonValue()), fc.jsonValue()),
      manifests: fc.oneof(fc.array(fc.jsonValue(), { maxLength: 200 }), fc.jsonValue()),
      annotations: fc.jsonValue(),
      subject: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(manifest, fc.jsonValue()), (json) => {
      const bytes = Buffer.from(JSON.stringify(json));
      const facts = manifestFacts(bytes);
      assert.ok((facts?.config?.mediaType ?? "").length <= 128);
      assert.ok((facts?.children ?? []).length <= 64);
      platformInConfig(bytes);
    }),
  );
  assert.equal(manifestFacts(Buffer.from("no JSON")), undefined);
});
