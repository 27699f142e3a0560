// Slow clients and policies: slower than the ten seconds after which uWebSockets.js drops a silent connection. All run
// concurrently, because each takes half a minute.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Gate } from "../../src/auth/gate.js";
import { anonymous } from "../../src/auth/identity.js";
import { openPolicy } from "../../src/auth/policy.js";
import { App } from "../../src/http/app.js";
import { Client } from "../support/client.js";
import { blobOf, digestOf, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";
import { defaultBounds, serveInside } from "../support/server.js";

const slowMilliseconds = 26_000;

const server = await serveInside();
const client = new Client(server.url);
const gate = new Gate(openPolicy);
/** A second front end on the same services, which authenticates slowly. */
const slow = new App({
  ...defaultBounds,
  services: server.services,
  gate,
  login: {
    authenticator: {
      identify: () => pause(slowMilliseconds, anonymous),
      byPassword: () => anonymous,
      attempt: () => ({ begin: () => {}, fail: () => {} }),
      current: (identity) => identity,
    },
    challenge: { scheme: "basic", basicRealm: "gantry" },
    limitOf: () => undefined,
  },
  onUnexpectedError: (error) => assert.fail(String(error)),
});
const slowUrl = await listen(slow);
/** A third one with short timeouts. */
const strictUrl = await listen(
  new App({
    ...defaultBounds,
    services: server.services,
    gate,
    timeouts: { senderSeconds: 12, smallBodySeconds: 6, readerSeconds: 12 },
    onUnexpectedError: (error) => assert.fail(String(error)),
  }),
);

async function listen(app: App): Promise<string> {
  const listening = await app.listen("127.0.0.1", 0);
  after(() => {
    listening.close();
    app.close();
  });
  return `http://127.0.0.1:${listening.port}`;
}

const large = blobOf(24 * 1024 * 1024);
const name = newName();
await client.pushBlobs(name, large);

describe("after more than 25 seconds", { concurrency: true }, () => {
  test("a pending response arrives", async () => {
    using connection = await RawConnection.open(slowUrl);
    connection.send(["GET /v2/_catalog HTTP/1.1", "Host: x"]);
    await pause(slowMilliseconds / 2);
    assert.equal((await connection.answer()).status, 200);
  });

  test("a paused upload continues and is complete", async () => {
    const blob = blobOf(8 * 1024 * 1024);
    using connection = await RawConnection.open(slowUrl);
    connection.send(
      [
        `POST /v2/${newName()}/blobs/uploads/?digest=${blob.digest} HTTP/1.1`,
        "Host: x",
        `Content-Length: ${blob.bytes.length}`,
      ],
      blob.bytes,
    );
    await pause(slowMilliseconds / 2);
    const answer = await connection.answer();
    assert.equal(answer.status, 201);
  });

  test("a sender that sends a little every few seconds is not dropped", async () => {
    const blob = blobOf(7);
    const location = await client.openUpload(name);
    using connection = await RawConnection.open(server.url);
    connection.send([`PUT ${location}?digest=${blob.digest} HTTP/1.1`, "Host: x", "Content-Length: 7"]);
    for (const byte of blob.bytes) {
      await pause(slowMilliseconds / blob.bytes.length);
      connection.write(Uint8Array.of(byte));
    }
    assert.equal((await connection.answer()).status, 201);
  });

  test("a sender that was silent during a PUT gets a response, and no byte is lost", async () => {
    const blob = blobOf(100_000);
    const location = await client.openUpload(name);
    using connection = await RawConnection.open(server.url);
    connection.send(
      [`PUT ${location}?digest=${blob.digest} HTTP/1.1`, "Host: x", "Content-Length: 100000"],
      blob.bytes.subarray(0, 50_000),
    );
    await pause(slowMilliseconds);
    connection.write(blob.bytes.subarray(50_000));
    assert.equal((await connection.answer()).status, 201);
    assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  });

  for (const [what, head] of [
    ["form", "POST /token HTTP/1.1"],
    ["manifest", `PUT /v2/${name}/manifests/slow HTTP/1.1`],
  ] as const) {
    test(`a client whose ${what} arrives at a byte per second has been dropped`, async () => {
      using connection = await RawConnection.open(strictUrl);
      connection.send([head, "Host: x", "Content-Length: 1000"], "{");
      const began = performance.now();
      const drip = setInterval(() => connection.write(" "), 1000);
      await connection.ended().finally(() => clearInterval(drip));
      assert.ok(performance.now() - began < 20_000);
      assert.equal(connection.received, "");
    });
  }

  test("a reader that reads a little every few seconds gets everything", async () => {
    using connection = await RawConnection.open(server.url);
    const { socket } = connection;
    connection.send([`GET /v2/${name}/blobs/${large.digest} HTTP/1.1`, "Host: x", "Connection: close"]);
    for (let count = 0; count < 7; count++) {
      socket.pause();
      await pause(slowMilliseconds / 7);
      socket.resume();
      const before = connection.size;
      await connection.until(() => (connection.size > before ? true : undefined), "more bytes");
    }
    const { body } = await connection.answer();
    assert.equal(digestOf(Buffer.from(body, "latin1")), large.digest);
  });

  test("a client that is silent during a body has been dropped, and its upload can continue", async () => {
    const blob = blobOf(100);
    const location = await client.openUpload(name);
    using connection = await RawConnection.open(strictUrl);
    connection.send(
      [`PATCH ${location} HTTP/1.1`, "Host: x", "Content-Length: 100"],
      blob.bytes.subarray(0, 40),
    );
    await connection.ended();
    assert.equal(connection.received, "");
    const rest = { "Content-Range": "40-99" };
    assert.equal((await client.patch(location, blob.bytes.subarray(40), rest)).status, 202);
    assert.equal((await client.close(location, blob.digest)).status, 201);
  });

  test("a reader that reads nothing has been dropped", async () => {
    using connection = await RawConnection.open(strictUrl);
    connection.send([`GET /v2/${name}/blobs/${large.digest} HTTP/1.1`, "Host: x"]);
    connection.socket.pause();
    await pause(slowMilliseconds);
    connection.socket.resume();
    await connection.ended();
    assert.ok(connection.size < large.bytes.length, `${connection.size} bytes`);
  });
});
