import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { serve } from "../support/client.js";

const { client } = await serve();

const paths = ["/ui/style.css", "/ui/page.js", "/ui/icon.svg"];

test("style sheet, script and icon are compressed for clients that accept gzip", async () => {
  for (const path of paths) {
    const plain = await client.get(path);
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(plain.headers.vary, "Accept-Encoding");
    for (const encodings of ["gzip", "br, gzip;q=0.5", "deflate, GZIP ; q=1.0"]) {
      const compressed = await client.get(path, { "Accept-Encoding": encodings });
      assert.equal(compressed.headers["content-encoding"], "gzip", encodings);
      assert.equal(compressed.headers.vary, "Accept-Encoding");
      assert.deepEqual(gunzipSync(compressed.body), plain.body);
    }
  }
});

test("they are not compressed for clients that refuse gzip or do not name it", async () => {
  for (const encodings of ["", "br", "gzip;q=0", "gzip; q=0.00", "x-gzipped"]) {
    const answer = await client.get("/ui/page.js", { "Accept-Encoding": encodings });
    assert.equal(answer.headers["content-encoding"], undefined, encodings);
  }
});
