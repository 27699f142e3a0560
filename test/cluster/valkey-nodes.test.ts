// Two servers of one bucket and one engine, as clients see them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { cli } from "../support/cli.js";
import { Client, locationOf } from "../support/client.js";
import { blobOf, image, types } from "../support/content.js";
import { startRedisServer } from "../support/redis-server.js";
import { bucketSettings, startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

async function start() {
  const server = await startS3Server();
  const engine = await startRedisServer();
  const options = {
    redis: engine.address,
    settings: { REGISTRY_STORAGE_DELETE_ENABLED: "true", REGISTRY_STORAGE_REDIRECT_DISABLE: "true" },
  };
  const nodes = [await startS3Node(server, options), await startS3Node(server, options)] as const;
  const [one, two] = [new Client(nodes[0].url), new Client(nodes[1].url)];
  return {
    server,
    engine,
    nodes,
    one,
    two,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node.stop();
      await engine.stop();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function tagOf(client: Client): Promise<string | undefined> {
  const { status, headers } = await client.head("/v2/app/manifests/latest", { accept: types.manifest });
  return status === 200 ? String(headers["docker-content-digest"]) : undefined;
}

test("nodes see each other's tags and deletions at once, and share uploads", {
  skip: needsVersitygw,
}, async () => {
  await using cluster = await start();
  const { one, two } = cluster;
  for (let count = 0; count < 10; count++) {
    const pushed = image();
    const [from, to] = count % 2 === 0 ? [one, two] : [two, one];
    await from.pushImage("app", pushed, "latest");
    assert.deepEqual([await tagOf(to), await tagOf(from)], [pushed.digest, pushed.digest]);
  }
  const blob = blobOf(3 * 65_536);
  let location = await one.openUpload("app");
  for (let at = 0; at < 3; at++) {
    const body = blob.bytes.subarray(at * 65_536, (at + 1) * 65_536);
    const range = `${at * 65_536}-${(at + 1) * 65_536 - 1}`;
    const headers = { "Content-Range": range, "Content-Type": "application/octet-stream" };
    const answer = await (at % 2 === 0 ? two : one).request("PATCH", location, { headers, body });
    assert.equal(answer.status, 202, answer.body.toString());
    location = locationOf(answer);
  }
  const closing = `${location}${location.includes("?") ? "&" : "?"}digest=${blob.digest}`;
  assert.equal((await one.request("PUT", closing, { body: "" })).status, 201);
  const pulled = await two.get(`/v2/app/blobs/${blob.digest}`);
  assert.ok(pulled.body.equals(blob.bytes));
  const digest = await tagOf(one);
  assert.equal((await two.request("DELETE", `/v2/app/manifests/${digest}`)).status, 202);
  assert.deepEqual([await tagOf(one), await tagOf(two)], [undefined, undefined]);
});

test("pushes and pulls continue without the engine, and after a node was killed", {
  skip: needsVersitygw,
}, async () => {
  await using cluster = await start();
  const { one, two, engine, nodes } = cluster;
  await engine.kill();
  for (let count = 0; count < 4; count++) {
    const pushed = image();
    const [from, to] = count % 2 === 0 ? [one, two] : [two, one];
    await from.pushImage("app", pushed, "latest");
    assert.deepEqual([await tagOf(to), await tagOf(from)], [pushed.digest, pushed.digest]);
  }
  const refused = await one.request("DELETE", `/v2/app/manifests/${await tagOf(two)}`);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers["retry-after"]) > 0);
  await engine.restart();
  await pause(3_000);
  await nodes[1].kill();
  const pushed = image();
  await one.pushImage("app", pushed, "latest");
  assert.equal(await tagOf(one), pushed.digest);
  await nodes[1].start();
  assert.equal(await tagOf(two), pushed.digest);
});

test("config check tests the engine", { skip: needsVersitygw }, async () => {
  await using cluster = await start();
  const { server, engine } = cluster;
  const check = (address: string) =>
    spawnSync(process.execPath, [cli, "config", "check"], {
      env: { ...process.env, ...bucketSettings(server), REGISTRY_REDIS_ADDRS: JSON.stringify([address]) },
      encoding: "utf8",
    });
  const fine = check(engine.address);
  assert.equal(fine.status, 0, fine.stdout + fine.stderr);
  assert.match(fine.stdout, /ok: redis: delivers messages/);
  const failing = check("127.0.0.1:1");
  assert.equal(failing.status, 2);
  assert.match(failing.stdout, /FAILED: redis: 127\.0\.0\.1:1/);
});
