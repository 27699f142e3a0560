// What a node does that starts while its engine is not there, is frozen, or refuses it.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { Engine } from "../../src/cluster/valkey/engine.js";
import { describeError } from "../../src/lib/describe-error.js";
import { reachEngine } from "../../src/server/reach-engine.js";
import { startRedisServer } from "../support/redis-server.js";
import { makeS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { openNode, until } from "../support/valkey-nodes.js";

const server = await startRedisServer();
after(() => server.stop());

const secured = await startRedisServer("--requirepass", "right", "--databases", "2");
after(() => secured.stop());

let stores = 0;
const open = () => openNode(server.port, `start-${stores++}`, {}, true);

function reach(waitMilliseconds: number, told: string[] = []) {
  return reachEngine(open, { place: "the place", waitMilliseconds, onWaiting: (why) => told.push(why) });
}

describe("a node that starts", () => {
  test("waits for an engine that is not there yet, and says so once", async () => {
    await server.kill();
    const told: string[] = [];
    const reaching = reach(20_000, told);
    await pause(1_500);
    await server.restart();
    const node = await reaching;
    assert.equal(node.nodes, 1);
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? "",
      /waiting for the engine of redis\.addrs \(the place\), 20 s at most: .*ECONNREFUSED/,
    );
    await node.close();
  });

  test("waits for one that accepts connections and does not answer", async () => {
    server.pause();
    const told: string[] = [];
    const reaching = reach(20_000, told);
    await pause(3_000);
    assert.equal(told.length, 1);
    server.resume();
    const node = await reaching;
    await node.close();
  });

  test("gives up after its time, and says why", async () => {
    await server.kill();
    const begun = performance.now();
    const failed = await reach(1_500).catch((error: unknown) => describeError(error));
    assert.match(String(failed), /the place\) could not be reached within 2 s: .*ECONNREFUSED/);
    assert.ok(performance.now() - begun < 3_000);
    await server.restart();
  });

  for (const [what, options, why] of [
    ["a wrong password", { password: "wrong" }, /cannot be used: it refuses this node: WRONGPASS/],
    ["no password", {}, /cannot be used: it refuses this node: .*NOAUTH/],
    [
      "a database that does not exist",
      { password: "right", db: 7 },
      /cannot be used: .*DB index is out of range/,
    ],
  ] as const)
    test(`does not wait with ${what}`, async () => {
      const connecting = async () => {
        const common = { host: "127.0.0.1", port: secured.port, db: 0 };
        const times = { connectMilliseconds: 5_000, commandMilliseconds: 1_000 };
        const engine = new Engine({ ...common, ...times, ...options }, "test:", () => {});
        await engine.connect(["channel"], () => {});
        engine.close();
      };
      const onWaiting = () => assert.fail("it waits");
      const failed = await reachEngine(connecting, {
        place: "it",
        waitMilliseconds: 20_000,
        onWaiting,
      }).catch((error: unknown) => describeError(error));
      assert.match(String(failed), why);
    });

  test("tells no password with the engine's errors", async () => {
    const told: unknown[] = [];
    const common = { host: "127.0.0.1", port: secured.port, db: 0, password: "mine-alone" };
    const times = { connectMilliseconds: 5_000, commandMilliseconds: 1_000 };
    const engine = new Engine({ ...common, ...times }, "test:", (error) => told.push(error));
    await assert.rejects(engine.connect(["channel"], () => {}));
    assert.ok(told.length > 0);
    assert.doesNotMatch(inspect(told, { depth: 9 }), /mine-alone/);
  });

  test("serves once the engine is there, as a process", { skip: needsVersitygw }, async () => {
    await using bucket = await startS3Server();
    await server.kill();
    await using node = await makeS3Node(bucket, { redis: server.address });
    const starting = node.start();
    await until("it waits", () => node.log().includes("waiting for the engine of redis.addrs"));
    await server.restart();
    await starting;
    assert.equal((await fetch(`${node.url}/readyz`)).status, 200);
  });
});
