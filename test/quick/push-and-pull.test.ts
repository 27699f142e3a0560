// The one way through the real program that `npm run test:quick` takes: an image comes back as it was pushed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";

const { client } = await serve();

test("an image that was pushed is pulled by its tag and its digest, with all its blobs", async () => {
  const name = newName();
  const made = image({ layers: 3 });
  await client.pushImage(name, made, "v1");
  for (const reference of ["v1", made.digest]) {
    const answer = await client.get(`/v2/${name}/manifests/${reference}`);
    assert.equal(answer.headers["content-type"], made.mediaType);
    assert.ok(answer.body.equals(made.bytes), reference);
  }
  for (const { digest, bytes } of made.blobs)
    assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes), digest);
});
