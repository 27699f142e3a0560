// What the processes of a server have in common.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/cluster/socket/hub.js";
import { hubCluster, newNodeName } from "../../src/cluster/socket/open.js";
import { Calls } from "../../src/server/processes/calls.js";
import { groupOf } from "../../src/server/processes/group.js";

test("if one part cannot clean up after a process that has crashed, the others do", async () => {
  const onError = (error: unknown) => assert.fail(String(error));
  const hub = new Hub(onError);
  const peer = hub.own(newNodeName());
  const { storePeers, cleanUp } = groupOf({
    ...{ number: 1, count: 2, peer, calls: new Calls(peer), sent: () => 0 },
    tellFirst: () => {},
    askFirst: () => Promise.reject(new Error("this is the first process")),
    open: async (leaseSeconds) => hubCluster(hub, peer, { leaseSeconds, onError }),
  });
  const cleaned: string[] = [];
  storePeers.onCrashed(() => Promise.reject(new Error("the disk fails")));
  storePeers.onCrashed(async (digits) => void cleaned.push(digits));
  await assert.rejects(cleanUp("0123456789ab"), /the disk fails/);
  assert.deepEqual(cleaned, ["0123456789ab"]);
});
