// How long a page waits for its parts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pageDeadline } from "../../src/http/web/page-deadline.js";

function partAfter(milliseconds: number, prefer: string): Promise<string | undefined> {
  const exchange = {
    header: (name: string) => (name === "prefer" ? prefer : ""),
    untilGone: () => new AbortController().signal,
  };
  return pageDeadline(exchange).within(pause(milliseconds, "known"));
}

test("a page is shown without a part that is slow", async () => {
  for (const prefer of ["", "respond-async", "wait=0"])
    assert.equal(await partAfter(100, prefer), undefined, prefer);
});

test("the script that fills in a gap waits for it, but not for long", async () => {
  for (const prefer of ["wait=1", "respond-async, wait=10"])
    assert.equal(await partAfter(100, prefer), "known", prefer);
  assert.equal(await partAfter(2_000, "wait=10"), undefined);
});
