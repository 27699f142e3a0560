// Removals by other nodes, as a node that grants leases sees them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLeases } from "../../src/cluster/memory/leases.js";
import { NodeLeases } from "../../src/cluster/node-leases.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";

const name = parseRepositoryName("team/app");
const digest = parseDigest(`sha256:${"1".repeat(64)}`);
const key = `${name}@${digest}` as const;
const token = "node:00/1";

class TestLeases extends NodeLeases {
  watches = 0;

  protected watch(): () => void {
    this.watches++;
    return () => void this.watches--;
  }

  condemn(): Promise<boolean> {
    return this.condemnFor(name, digest, token);
  }

  end(): void {
    this.over(token);
  }
}

/** Leases of a node whose listeners hear of a removal in a later turn. */
function open(): TestLeases {
  const publish = () => new Promise<void>((resolve) => setImmediate(resolve));
  return new TestLeases(new MemoryLeases({ leaseSeconds: 60 }, publish), new Map());
}

test("a lookup waits for the end of a removal", async () => {
  const leases = open();
  assert.equal(await leases.condemn(), false);
  let isOver = false;
  const looking = leases.during(key, () => isOver);
  setImmediate(() => {
    isOver = true;
    leases.end();
  });
  assert.equal(await looking, true);
  assert.equal(leases.watches, 0);
});

test("a removal whose end arrives with it, or whose node has ended meanwhile, is over", async () => {
  for (const end of ["over", "gone"] as const) {
    const leases = open();
    const condemned = leases.condemn();
    if (end === "over") leases.end();
    else leases.gone("node:00");
    assert.equal(await condemned, false);
    assert.equal(await leases.during(key, () => "found"), "found");
    assert.equal(leases.watches, 0);
  }
});

test("a leased object is not condemned, and nothing is watched", async () => {
  const leases = open();
  leases.grant(key);
  assert.equal(await leases.condemn(), true);
  await leases.during(key, () => "found");
  assert.equal(leases.watches, 0);
});
