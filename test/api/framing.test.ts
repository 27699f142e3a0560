// The end of a request, on which uWebSockets.js, a proxy and the client may disagree: bytes that one of them takes for a
// body are never carried out as a request, no client waits forever, and few connections do not slow down others.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";

const { client, gantry } = await serve();

const smuggledName = newName("smuggled");
const smuggled = `POST /v2/${smuggledName}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`;

/** The headers that proxies add. */
const forwarded = [
  "X-Forwarded-For: 10.1.2.3",
  "Via: 1.1 proxy",
  "Forwarded: for=10.1.2.3",
  "X-Real-IP: 10.1.2.3",
];

function push(name: string, digest: string, ...headers: string[]): string[] {
  return [`POST /v2/${name}/blobs/uploads/?digest=${digest} HTTP/1.1`, "Host: x", ...headers];
}

const chunked = "Transfer-Encoding: chunked";

async function statusesOf(connection: RawConnection): Promise<string[]> {
  await connection.ended();
  return [...connection.received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? "");
}

async function isStored(name: string, digest: string): Promise<boolean> {
  return (await client.head(`/v2/${name}/blobs/${digest}`)).status === 200;
}

describe("the Host header", () => {
  for (const [what, lines] of [
    ["two of them", ["Host: x", "Host: y"]],
    ["the same one twice", ["Host: x", "Host: x"]],
    ["none", ["Accept: */*"]],
    ["one with a space", ["Host: a b"]],
    ["one with a path", ["Host: a/b"]],
    ["one with a user", ["Host: me@a"]],
    ["one with an invalid port", ["Host: a:b"]],
  ] as const)
    test(`${what}: 400, and the connection closes`, async () => {
      const name = newName();
      const blob = blobOf("hello");
      for (const [first, body] of [
        ["GET /v2/ HTTP/1.1", ""],
        [`POST /v2/${name}/blobs/uploads/?digest=${blob.digest} HTTP/1.1`, "hello"],
      ] as const) {
        using connection = await RawConnection.open(gantry.url);
        connection.send([first, ...lines, `Content-Length: ${body.length}`], body);
        assert.deepEqual(await statusesOf(connection), ["400"]);
      }
      assert.ok(!(await isStored(name, blob.digest)));
    });

  for (const value of ["", "registry.example.com", "registry.example.com:5000", "[::1]:5000", "a_b.local:"])
    test(`"${value}" is one`, async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.send(["GET /v2/ HTTP/1.1", `Host: ${value}`]);
      assert.equal((await connection.answer()).status, 200);
    });
});

describe("a chunked body", { concurrency: true }, () => {
  test("leaves the connection of a directly connected client open for its next request", async () => {
    const name = newName();
    const blob = blobOf("hello");
    using connection = await RawConnection.open(gantry.url);
    for (let time = 0; time < 3; time++) {
      connection.send(push(name, blob.digest, chunked), "5\r\nhello\r\n0\r\n\r\n");
      const answer = await connection.answer();
      assert.equal(answer.status, 201);
      assert.doesNotMatch(answer.head, /^connection:/im);
    }
  });

  for (const header of forwarded)
    test(`with "${header}" is the last request on its connection`, async () => {
      const name = newName();
      const blob = blobOf("hello");
      using connection = await RawConnection.open(gantry.url);
      connection.send(push(name, blob.digest, chunked, header), "5\r\nhello\r\n0\r\n\r\n");
      const answer = await connection.answer();
      assert.equal(answer.status, 201);
      assert.match(answer.head, /^connection: close$/im);
      await connection.ended();
      assert.ok(await isStored(name, blob.digest));
    });

  for (const [what, end] of [
    ["after two bytes in place of the last line", "0\r\nxx"],
    ["after a chunk with an end that others parse differently", "1 ;\nx\r\n0\r\n\r\n"],
    ["behind the body", "0\r\n\r\n"],
  ] as const)
    for (const later of [false, true])
      test(`bytes hidden ${what} are not carried out${later ? ", nor when they arrive later" : ""}`, async () => {
        for (const digest of [blobOf("hello").digest, "sha256:none"]) {
          using connection = await RawConnection.open(gantry.url);
          connection.send(push(newName(), digest, chunked, "Via: 1.1 proxy"));
          if (later) {
            connection.write(`5\r\nhello\r\n${end}`);
            await sleep(100);
            connection.write(smuggled);
          } else {
            connection.write(`5\r\nhello\r\n${end}${smuggled}`);
          }
          const statuses = await statusesOf(connection);
          assert.ok(statuses.length <= 1, String(statuses));
          assert.ok(!statuses.includes("202"));
        }
      });

  test("to an endpoint that accepts none is refused, and nothing after it is carried out", async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.send(["GET /v2/ HTTP/1.1", "Host: x", chunked], `0\r\n\r\n${smuggled}`);
    const statuses = await statusesOf(connection);
    assert.ok(
      statuses.length <= 1 && !statuses.includes("200") && !statuses.includes("202"),
      String(statuses),
    );
    using alone = await RawConnection.open(gantry.url);
    alone.send(["GET /v2/ HTTP/1.1", "Host: x", chunked], "0\r\n\r\n");
    assert.deepEqual(await statusesOf(alone), ["400"]);
  });

  test("with announced trailers is refused with the reason", async () => {
    const blob = blobOf("hello");
    using connection = await RawConnection.open(gantry.url);
    connection.send(push(newName(), blob.digest, chunked, "Trailer: Digest"));
    const answer = await connection.answer();
    assert.equal(answer.status, 400);
    assert.match(answer.body, /trailers are not supported/);
    await connection.ended();
  });

  for (const [what, headers] of [
    ["unannounced trailers", []],
    ["announced trailers that arrive with the headers", ["Trailer: Digest"]],
  ] as const)
    test(`with ${what} closes the connection`, async () => {
      const blob = blobOf("hello");
      using connection = await RawConnection.open(gantry.url);
      const head = push(newName(), blob.digest, chunked, ...headers);
      connection.send(head, "5\r\nhello\r\n0\r\nDigest: x\r\n\r\n");
      assert.deepEqual(await statusesOf(connection), ["505"]);
    });

  for (const [what, body] of [
    ["a chunk", "5;a=b\r\nhello\r\n0\r\n\r\n"],
    ["each chunk", "2;a=b\r\nhe\r\n3;c\r\nllo\r\n0;d=e\r\n\r\n"],
    ["none, but a wrong size,", "100000002\r\nhello\r\n0\r\n\r\n"],
    ["a chunk, and trailers", "5;a=b\r\nhello\r\n0\r\nDigest: x\r\n\r\n"],
    ["the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n"],
    ["the last chunk, and trailers", "5\r\nhello\r\n0;a=b\r\nDigest: x\r\n\r\n"],
  ] as const)
    test(`with an extension of ${what} is refused within seconds`, async () => {
      const name = newName();
      const blob = blobOf("hello");
      using connection = await RawConnection.open(gantry.url);
      connection.send(push(name, blob.digest, chunked), body);
      const answer = await connection.answer();
      assert.equal(answer.status, 400);
      assert.match(answer.head, /^connection: close$/im);
      assert.match(answer.body, /a chunk has a wrong size or an extension/);
      assert.ok(!(await isStored(name, blob.digest)));
    });

  test("may be silent for long after a separate line break, if more of the chunk follows", async () => {
    const name = newName();
    const blob = blobOf("hello\r\nworld");
    using connection = await RawConnection.open(gantry.url);
    connection.send(push(name, blob.digest, chunked), "5\r\nhello\r\n");
    await sleep(50);
    connection.write("7\r\n\r\n");
    await sleep(8000);
    connection.write("world\r\n0\r\n\r\n");
    assert.equal((await connection.answer()).status, 201);
  });

  test("that is refused before its end closes the connection, and the client reads why", async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.send(push("UPPER", blobOf("hello").digest, chunked), "5\r\nhello\r\n");
    const answer = await connection.answer();
    assert.equal(answer.status, 400);
    assert.match(answer.head, /^connection: close$/im);
    connection.write(`0\r\n\r\n${smuggled}`);
    await connection.ended();
    assert.equal(connection.received, "");
  });

  test("may have a thousand tiny chunks, slowly or at once", async () => {
    const name = newName();
    const blob = blobOf(1000);
    for (const atOnce of [true, false]) {
      using connection = await RawConnection.open(gantry.url);
      connection.send(push(name, blob.digest, chunked));
      const chunks = [...blob.bytes].map((byte) =>
        Buffer.concat([Buffer.from("1\r\n"), Buffer.of(byte), Buffer.from("\r\n")]),
      );
      if (atOnce) connection.write(Buffer.concat(chunks));
      else
        for (const chunk of chunks) {
          connection.write(chunk);
          await new Promise((resolve) => setImmediate(resolve));
        }
      connection.write("0\r\n\r\n");
      assert.equal((await connection.answer()).status, 201);
    }
  });

  test("closes its connection if it has a hundred thousand tiny chunks at once", async () => {
    for (const lines of [push(newName(), blobOf("hello").digest, chunked), push("UPPER", "none", chunked)]) {
      using connection = await RawConnection.open(gantry.url);
      connection.send(lines, "1\r\nx\r\n".repeat(100_000));
      await connection.ended();
      assert.match(connection.received, /^$|^HTTP\/1\.1 400 /);
    }
    assert.equal((await client.get("/v2/")).status, 200);
  });
});

test("thousands of pipelined requests close their connection, and those before are answered in order", async () => {
  using connection = await RawConnection.open(gantry.url);
  const paths = ["/v2/", "/none"];
  const pair = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
  for (let time = 0; time < 10; time++) connection.write(pair.repeat(2000));
  const statuses = await statusesOf(connection);
  assert.ok(statuses.length < 20_000, String(statuses.length));
  statuses.forEach((status, place) => {
    assert.equal(status, place % 2 === 0 ? "200" : "404");
  });
});

test("no hidden request was carried out, and no error went unnoticed", async () => {
  const uploads = join(gantry.root, "uploads");
  const records = (await readdir(uploads)).filter((name) => name.endsWith(".json"));
  for (const record of records)
    assert.ok(!(await readFile(join(uploads, record), "utf8")).includes(smuggledName), record);
  assert.doesNotMatch(gantry.log(), /request failed|clean-up failed/);
  assert.equal((await client.get("/v2/")).status, 200);
});
