// Uploads that go on at another node while the engine is away, or after it has lost everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { defaultTimes, noticedAfter } from "../../src/cluster/valkey/times.js";
import { type Answer, Client, locationOf } from "../support/client.js";
import { blobOf, digestOf } from "../support/content.js";
import { type RedisServer, startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

const skip = needsVersitygw;
const chunkBytes = 1000;
/** After this time without the engine, nodes count as out of touch. */
const outOfTouchMilliseconds = noticedAfter(defaultTimes);
const blob = blobOf(3 * chunkBytes);

async function start() {
  const server = await startS3Server();
  const engine = await startRedisServer();
  const options = { redis: engine.address };
  const nodes = [await startS3Node(server, options), await startS3Node(server, options)] as const;
  return {
    engine,
    nodes,
    clients: [new Client(nodes[0].url), new Client(nodes[1].url)] as const,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node.stop();
      await engine.stop();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Sends chunk 0, 1 or 2 of the blob. */
function patch(client: Client, location: string, chunk: number): Promise<Answer> {
  const start = chunk * chunkBytes;
  return client.request("PATCH", location, {
    headers: { "Content-Range": `${start}-${start + chunkBytes - 1}` },
    body: blob.bytes.subarray(start, start + chunkBytes),
  });
}

/** Asks again while the node says that it cannot know. */
async function patiently(ask: () => Promise<Answer>): Promise<Answer> {
  for (let left = 20; ; left--) {
    const answer = await ask();
    if (answer.status !== 503 || left === 0) return answer;
    await pause(500);
  }
}

const losses: readonly [how: string, lose: (engine: RedisServer) => Promise<unknown>][] = [
  ["killed", (engine) => engine.kill()],
  ["emptied", (engine) => engine.command("FLUSHALL")],
  ["restarted", (engine) => engine.restart()],
];

for (const [how, lose] of losses)
  test(`chunks go on at any node when the engine was ${how}`, { skip }, async () => {
    await using cluster = await start();
    const [one, two] = cluster.clients;
    let location = await one.openUpload("app");
    const first = await patch(one, location, 0);
    assert.equal(first.status, 202);
    location = locationOf(first);
    await lose(cluster.engine);
    for (const [chunk, client] of [[1, two] as const, [2, one] as const]) {
      const answer = await patiently(() => patch(client, location, chunk));
      const end = (chunk + 1) * chunkBytes - 1;
      assert.deepEqual([answer.status, answer.headers.range], [202, `0-${end}`], answer.body.toString());
    }
    for (const client of [two, one, two]) {
      const { status, headers } = await patiently(() => client.get(location));
      assert.deepEqual([status, headers.range], [204, `0-${blob.bytes.length - 1}`]);
    }
    const closing = `${location}${location.includes("?") ? "&" : "?"}digest=${blob.digest}`;
    assert.equal((await patiently(() => one.request("PUT", closing, { body: "" }))).status, 201);
    const pulled = await two.get(`/v2/app/blobs/${blob.digest}`);
    assert.deepEqual([pulled.status, pulled.body], [200, blob.bytes]);
  });

test("a node that cannot ask for a session without bytes does not say that there is none", {
  skip,
}, async () => {
  await using cluster = await start();
  const [one, two] = cluster.clients;
  const location = await one.openUpload("app");
  await cluster.engine.kill();
  await pause(outOfTouchMilliseconds);
  const answer = await patch(two, location, 0);
  assert.equal(answer.status, 503, answer.body.toString());
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  assert.equal((await patch(one, location, 0)).status, 202, "the node that has it goes on");
});

test("an upload that has ended is unknown at every node at once", { skip }, async () => {
  await using cluster = await start();
  const [one, two] = cluster.clients;
  for (const [opens, closes] of [
    [one, one],
    [one, two],
  ] as const) {
    const location = locationOf(await patch(opens, await opens.openUpload("app"), 0));
    if (closes !== opens) assert.equal((await closes.get(location)).status, 204);
    const digest = digestOf(blob.bytes.subarray(0, chunkBytes));
    const closing = `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
    assert.equal((await closes.request("PUT", closing, { body: "" })).status, 201);
    for (const client of [two, one]) assert.equal((await client.get(location)).status, 404);
  }
});
