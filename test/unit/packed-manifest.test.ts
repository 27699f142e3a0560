// A manifest is the same on both sides of a thread.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Digest } from "../../src/domain/digest.js";
import type { Manifest } from "../../src/domain/manifest.js";
import { packManifest, unpackManifest } from "../../src/registry/manifest-reader/packed-manifest.js";
import { digests } from "./arbitraries.js";

const digest = digests.map((text) => text as Digest);
const descriptors = fc.array(
  fc.record(
    { mediaType: fc.string(), digest, size: fc.nat({ max: Number.MAX_SAFE_INTEGER }) },
    { noNullPrototype: true },
  ),
);

test("what is packed, copied to another thread and unpacked is what it was", () => {
  const manifest = fc.record(
    {
      mediaType: fc.constant("application/vnd.oci.image.manifest.v1+json" as const),
      kind: fc.constant("image" as const),
      blobs: descriptors,
      children: descriptors,
      named: fc.array(digest),
      subject: fc.constant(undefined),
      artifactType: fc.option(fc.string(), { nil: undefined }),
      annotations: fc.constant(undefined),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(manifest, (before: Manifest) => {
      assert.deepEqual(unpackManifest(structuredClone(packManifest(before))), before);
    }),
  );
});
