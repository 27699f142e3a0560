// A node whose store accepts connections and never answers, as its clients see it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, withQuery } from "../support/client.js";
import { blobOf, image, types } from "../support/content.js";
import { startRelay } from "../support/relay.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

/** A client gets its 503 by then. */
const answerMillisecondsMax = 32_000;

/** More than the node has connections to the store. */
const requestsAtOnce = 300;

async function residentMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

interface Timed {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly milliseconds: number;
}

/** Sends a request on a connection of its own. */
function answerOf(url: string, method = "GET", body?: Buffer): Promise<Timed> {
  const begun = performance.now();
  const length = body === undefined ? {} : { "content-length": String(body.length) };
  return new Promise((resolve, reject) => {
    const headers = { accept: types.manifest, ...length };
    const outgoing = request(url, { method, agent: false, timeout: 60_000, headers }, (incoming) => {
      incoming.resume().once("end", () => {
        const retryAfter = incoming.headers["retry-after"];
        const milliseconds = performance.now() - begun;
        resolve({ status: incoming.statusCode ?? 0, retryAfter, milliseconds });
      });
    });
    outgoing.once("error", reject);
    outgoing.once("timeout", () => outgoing.destroy(new Error(`${method} ${url}: no response`)));
    outgoing.end(body);
  });
}

test("clients of a frozen store get 503 within half a minute, and what is in memory at once", {
  skip: needsVersitygw,
}, async () => {
  await using server = await startS3Server();
  await using relay = await startRelay(server.port);
  const settings = { REGISTRY_STORAGE_REDIRECT_DISABLE: "true", REGISTRY_HTTP_METRICS_ENABLED: "true" };
  await using node = await startS3Node(server, { endpoint: relay.url, settings });
  const client = new Client(node.url);
  const pushed = image();
  await client.pushImage("app", pushed, "latest");
  const pull = () => answerOf(`${node.url}/v2/app/manifests/latest`);
  assert.equal((await pull()).status, 200);
  const pid = node.pid ?? 0;
  const before = await residentMebibytes(pid);

  await relay.set("hang");
  const push = (index: number) => {
    const { digest, bytes } = blobOf(20_000 + index);
    const url = `${node.url}/v2/app/blobs/uploads/?digest=${digest}`;
    return answerOf(url, "POST", bytes);
  };
  const look = (index: number) =>
    answerOf(`${node.url}/v2/app/blobs/${blobOf(`absent ${index}`).digest}`, "HEAD");
  const waiting = Promise.all(
    Array.from({ length: requestsAtOnce }, (_, index) => (index % 2 === 0 ? push(index) : look(index))),
  );
  let isOver = false;
  void waiting.finally(() => {
    isOver = true;
  });
  let grownMax = 0;
  while (!isOver) {
    const pulled = await pull();
    assert.equal(pulled.status, 200);
    const metrics = await answerOf(`${node.url}/metrics`);
    assert.equal(metrics.status, 200);
    const live = await answerOf(`${node.url}/livez`);
    assert.equal(live.status, 200);
    for (const { milliseconds } of [pulled, metrics, live])
      assert.ok(milliseconds < 3_000, `${milliseconds}`);
    grownMax = Math.max(grownMax, (await residentMebibytes(pid)) - before);
    await pause(500);
  }
  for (const { status, retryAfter, milliseconds } of await waiting) {
    assert.equal(status, 503);
    assert.ok(Number(retryAfter) > 0);
    assert.ok(milliseconds < answerMillisecondsMax, `${milliseconds} ms`);
  }
  assert.ok(grownMax < 150, `${grownMax} MiB`);
  await becomes(node.url, 503);

  await relay.set("pass");
  const again = image();
  await client.pushImage("app", again, "again");
  assert.equal((await client.get("/v2/app/manifests/again", { accept: types.manifest })).status, 200);
  await becomes(node.url, 200);
});

test("a closing request gets 503 as fast as others, and its repetition succeeds when the store is back", {
  skip: needsVersitygw,
}, async () => {
  await using server = await startS3Server();
  await using relay = await startRelay(server.port);
  await using node = await startS3Node(server, { endpoint: relay.url });
  const client = new Client(node.url);
  const begun = await Promise.all(
    [100_000, 13_000_000].map(async (bytes) => {
      const blob = blobOf(bytes);
      const location = await client.openUpload("app");
      assert.equal((await client.patch(location, blob.bytes)).status, 202);
      return { url: new URL(withQuery(location, `digest=${blob.digest}`), node.url).href, blob };
    }),
  );
  await relay.set("hang");
  const answers = await Promise.all(begun.map(({ url }) => answerOf(url, "PUT", Buffer.alloc(0))));
  for (const { status, retryAfter, milliseconds } of answers) {
    assert.equal(status, 503);
    assert.ok(Number(retryAfter) > 0);
    assert.ok(milliseconds < answerMillisecondsMax, `${milliseconds} ms`);
  }
  await relay.set("pass");
  for (const { url, blob } of begun) {
    assert.equal((await answerOf(url, "PUT", Buffer.alloc(0))).status, 201);
    assert.equal((await client.head(`/v2/app/blobs/${blob.digest}`)).status, 200);
  }
});

/** Three checks fail, or one succeeds, within this time. */
const healthMilliseconds = 45_000;

async function becomes(url: string, status: number): Promise<void> {
  const end = Date.now() + healthMilliseconds;
  while ((await answerOf(`${url}/readyz`)).status !== status) {
    assert.ok(Date.now() < end, `/readyz becomes ${status}`);
    await pause(200);
  }
}
