// The history of tags on pages: no page waits for it, each client has its share, and no page keeps what has changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { TagHistories } from "../../src/browse/tag-histories.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Deadline } from "../../src/lib/deadline.js";
import type { Services } from "../../src/registry/services.js";
import { digestInHistory } from "../../src/registry/tag-history.js";
import { alice, patience } from "../support/browsing.js";
import { digestOf } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";

const name = parseRepositoryName("team/app");
const permit = ownGate.pull(alice, name);
const tag = parseTag("live");
const digest = parseDigest(digestOf("an image"));

/** A storage that answers when it is allowed to. */
function slowWorld() {
  const waiting: ((target: Digest | undefined) => void)[] = [];
  const storage = memoryStorage();
  storage.tags.resolve = () => new Promise((resolve) => waiting.push(resolve));
  const { changes } = new MemoryCluster({ leaseSeconds: 3600 }).node();
  const histories = new TagHistories({ storage } as Services, changes);
  const target = (deadline = new Deadline(0), client = "one", of = tag) =>
    histories.target(permit, of, { client, deadline });
  const answer = () => {
    for (const resolve of waiting.splice(0)) resolve(digest);
  };
  return { changes, histories, target, answer, waiting };
}

test("what comes too late for one page is on the next, and is read once", async () => {
  const { histories, target, answer, waiting } = slowWorld();
  assert.deepEqual(await target(), { value: undefined, complete: false });
  assert.deepEqual(await target(), { value: undefined, complete: false });
  assert.equal(waiting.length, 1);
  answer();
  assert.deepEqual(await target(patience()), { value: { digest }, complete: true });
  histories.close();
});

test("a page with a late history that has changed since is loaded again", async () => {
  const { changes, histories, target, answer } = slowWorld();
  await target();
  await changes.publish({ kind: "tag-removed", name, tag });
  answer();
  assert.deepEqual(await target(patience()), { value: { digest }, complete: false });
  histories.close();
});

test("a client that asks for many histories leaves room for others", async () => {
  const { histories, target, waiting } = slowWorld();
  for (let number = 0; number < 100; number++)
    assert.equal((await target(new Deadline(0), "greedy", parseTag(`t${number}`))).complete, false);
  assert.equal(waiting.length, 16);
  await target(new Deadline(0), "other");
  assert.equal(waiting.length, 17);
  histories.close();
});

test("a shortened digest is found in the history if only one begins with it", async () => {
  const storage = memoryStorage();
  const one = parseDigest(`sha256:${"a".repeat(62)}b1`);
  const two = parseDigest(`sha256:${"a".repeat(62)}b2`);
  storage.history.list = async function* () {
    for (const [place, of] of [one, two, one].entries())
      yield { kind: "pointed", digest: of, at: Date.now() - place };
  };
  const rules = { history: { entriesMax: 10, keptMilliseconds: 1_000_000 } };
  const find = (prefix: string) => digestInHistory({ storage, rules } as Services, permit, tag, prefix);
  assert.equal(await find(`sha256:${"a".repeat(62)}b1`), one);
  await assert.rejects(find(`sha256:${"a".repeat(12)}`), {
    kind: "request-invalid",
    message: /^2 manifests in the history of the tag live begin with sha256:a{12}: write more digits$/,
  });
  await assert.rejects(find(`sha256:${"b".repeat(12)}`), { kind: "manifest-unknown" });
});
