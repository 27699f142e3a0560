// Whole responses to clients that read slowly, not at all, or in crowds. The attacks (npm run attack) bound their memory.

import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";

const { gantry, client } = await serve();
const name = newName();
const large = image({ annotations: { padding: "x".repeat(3_500_000) } });
await client.pushImage(name, large, "large");
const tags = Array.from({ length: 2500 }, (_, index) => `tag-${10_000 + index}-${"t".repeat(90)}`);
for (let first = 0; first < tags.length; first += 100) {
  const query = tags.slice(first, first + 100).map((tag) => `tag=${tag}`);
  const pushed = await client.request("PUT", `/v2/${name}/manifests/${large.digest}?${query.join("&")}`, {
    headers: { "Content-Type": large.mediaType },
    body: large.bytes,
  });
  assert.equal(pushed.status, 201);
}

/** Reads a response in small pieces with pauses, beginning late. */
async function readSlowly(path: string): Promise<Buffer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    get(`${gantry.url}${path}`, resolve).on("error", reject),
  );
  await sleep(300);
  const pieces: Buffer[] = [];
  for await (const piece of response) {
    pieces.push(piece as Buffer);
    if (pieces.length % 8 === 0) await sleep(2);
  }
  return Buffer.concat(pieces);
}

test("a client that reads slowly gets the whole manifest and the whole list", async () => {
  const [manifest, again, list, page] = await Promise.all([
    readSlowly(`/v2/${name}/manifests/large`),
    readSlowly(`/v2/${name}/manifests/${large.digest}`),
    readSlowly(`/v2/${name}/tags/list`),
    readSlowly(`/v2/${name}/tags/list?n=2000&last=${tags[99]}`),
  ]);
  assert.ok(manifest.equals(large.bytes) && again.equals(large.bytes));
  assert.deepEqual(JSON.parse(list.toString()), { name, tags: ["large", ...tags].sort() });
  assert.deepEqual(JSON.parse(page.toString()), { name, tags: tags.slice(100, 2100) });
});

test("a hundred clients at once get a large manifest each", async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => client.get(`/v2/${name}/manifests/large`)));
  for (const { status, body } of all) {
    assert.equal(status, 200);
    assert.ok(body.equals(large.bytes));
  }
});

test("a connection that requests a manifest again and again and reads nothing is closed", async () => {
  const { hostname, port } = new URL(gantry.url);
  const socket = connect(Number(port), hostname).pause();
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  socket.on("error", () => {});
  const request = `GET /v2/${name}/manifests/large HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (let sent = 0; sent < 200 && !socket.destroyed; sent++) {
    socket.write(request);
    await sleep(10);
  }
  await closed;
  assert.equal((await client.get("/v2/")).status, 200);
});

test("a condition of hundreds of entity tags holds if one of them is the manifest's", async () => {
  const others = Array.from({ length: 500 }, (_, index) => `W/"sha256:${String(index).padStart(64, "0")}"`);
  const ask = (tags: readonly string[]) =>
    client.request("GET", `/v2/${name}/manifests/large`, { headers: { "If-None-Match": tags.join(", ") } });
  assert.equal((await ask(others)).status, 200);
  assert.equal((await ask([...others, `"${large.digest}"`])).status, 304);
  assert.equal((await ask(["*"])).status, 304);
});

test("a query longer than any that is valid gets 414", async () => {
  const answer = await client.get(`/v2/${name}/tags/list?last=${"x".repeat(17_000)}`);
  assert.equal(answer.status, 414);
});
