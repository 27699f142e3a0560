// What requests ask for is found once for each method and URL.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryError } from "../../src/domain/errors.js";
import { Targets } from "../../src/http/targets.js";

const url = "/v2/team/app/manifests/latest";

test("HEAD and GET of one URL do not displace each other", () => {
  const targets = new Targets();
  const [head, get] = [targets.of("HEAD", url), targets.of("GET", url)];
  assert.notEqual(head, get);
  assert.equal(targets.of("HEAD", url), head);
  assert.equal(targets.of("GET", url), get);
});

test("uploads, long URLs and errors are not remembered, and the number of URLs is limited", () => {
  const targets = new Targets();
  const first = targets.of("GET", url);
  for (const [method, other] of [
    ["PATCH", "/v2/team/app/blobs/uploads/x"],
    ["GET", `/v2/team/${"a".repeat(300)}/manifests/latest`],
    ["GET", `/v2/${"a".repeat(5000)}`],
  ] as const)
    assert.notEqual(targets.of(method, other), targets.of(method, other), other);
  assert.ok(targets.of("GET", `/v2/${"a".repeat(5000)}`).match instanceof RegistryError);
  assert.equal(targets.of("GET", url), first);
  for (let tag = 0; tag < 1024; tag++) targets.of("GET", `/v2/team/app/manifests/${tag}`);
  assert.notEqual(targets.of("GET", url), first);
});
