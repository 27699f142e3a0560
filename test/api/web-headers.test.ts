// What pages reveal to strangers and to search engines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";

const { client } = await serve();

test("search engines are asked not to index pages, also those of errors", async () => {
  for (const path of ["/ui/", "/ui/nothing"])
    assert.equal((await client.get(path)).headers["x-robots-tag"], "noindex, nofollow", path);
});

test("the request ID on an error page is random, so that it does not count requests", async () => {
  const shown = async () =>
    /request ([\w-]+)/.exec((await client.get("/ui/nothing")).body.toString())?.[1] ?? "";
  const [first, second] = [await shown(), await shown()];
  for (const id of [first, second]) assert.match(id, /^[0-9a-f]{32}$/);
  assert.notEqual(first, second);
});
