// A manifest is the same in both threads.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Digest } from "../../src/domain/digest.js";
import type { Manifest } from "../../src/domain/manifest.js";
import {
  packManifest,
  packMismatches,
  unpackManifest,
  unpackMismatches,
  unpackPushed,
} from "../../src/registry/manifest-reader/packed-manifest.js";
import { digests } from "./arbitraries.js";

const digest = digests.map((text) => text as Digest);
const descriptors = fc.array(
  fc.record(
    { mediaType: fc.string(), digest, size: fc.nat({ max: Number.MAX_SAFE_INTEGER }) },
    { noNullPrototype: true },
  ),
);

test("a manifest is unchanged after packing, transfer to another thread and unpacking", () => {
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
      const packed = structuredClone(packManifest(before));
      assert.deepEqual(unpackManifest(packed), before);
      const { blobs, children, named, ...rest } = unpackPushed(packed);
      // Each can be iterated more than once.
      for (let time = 0; time < 2; time++)
        assert.deepEqual({ ...rest, blobs: [...blobs], children: [...children], named: [...named] }, before);
    }),
  );
});

test("mismatches are the same in both threads", () => {
  const mismatches = fc.array(
    fc.record({ what: fc.string(), digest, size: fc.nat() }, { noNullPrototype: true }),
  );
  fc.assert(
    fc.property(mismatches, (before) => {
      assert.deepEqual([...unpackMismatches(structuredClone(packMismatches(before)))], before);
    }),
  );
});
