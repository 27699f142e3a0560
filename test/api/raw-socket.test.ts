// Inconsistent and invalid HTTP on a bare socket: a body's length must be stated once and correctly; whatever arrives,
// nothing unrequested is stored and the server continues.

import assert from "node:assert/strict";
import { describe, type TestOptions, test } from "node:test";
import { Client, serve } from "../support/client.js";
import { type Blob, blobOf, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";

const { client, gantry } = await serve();

const smuggledName = newName("smuggled");
/** A request hidden in a body, which must never be carried out. */
const smuggled = `POST /v2/${smuggledName}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`;

function pushLines(name: string, { digest }: Blob, ...headers: string[]): string[] {
  return [`POST /v2/${name}/blobs/uploads/?digest=${digest} HTTP/1.1`, "Host: x", ...headers];
}

async function isStored(name: string, { digest }: Blob): Promise<boolean> {
  return (await client.head(`/v2/${name}/blobs/${digest}`)).status === 200;
}

const chunkedBody = "5\r\nhello\r\n0\r\n\r\n";
const length = `Content-Length: ${smuggled.length}`;

/** Requests with an ambiguous length; the bytes after the headers are a body to one parser and a request to another. */
const unclear: readonly [what: string, headers: string[], body: string, inTheBody?: true][] = [
  ["two equal lengths", ["Content-Length: 5", "Content-Length: 5"], `hello${smuggled}`],
  ["a short and a long length", ["Content-Length: 0", length], smuggled],
  ["a long and a short length", [length, "Content-Length: 0"], smuggled],
  ["an empty length and another", ["Content-Length:", length], smuggled],
  ["a length and an empty one", [length, "Content-Length:"], smuggled],
  ["three lengths", ["Content-Length: 0", "Content-Length: 0", length], smuggled],
  ["a list of lengths", ["Content-Length: 5, 5"], `hello${smuggled}`],
  ["an empty length", ["Content-Length:"], smuggled],
  ["a negative length", ["Content-Length: -5"], `hello${smuggled}`],
  ["a length with a sign", ["Content-Length: +5"], `hello${smuggled}`],
  ["a length with a letter", ["Content-Length: 5x"], `hello${smuggled}`],
  ["a hexadecimal length", ["Content-Length: 0x5"], `hello${smuggled}`],
  ["two numbers for a length", ["Content-Length: 5 5"], `hello${smuggled}`],
  ["a length that overflows", [`Content-Length: ${2n ** 64n + 5n}`], `hello${smuggled}`],
  [
    "a length before Transfer-Encoding",
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    chunkedBody + smuggled,
  ],
  [
    "a length after Transfer-Encoding",
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    chunkedBody + smuggled,
  ],
  ["an unknown Transfer-Encoding", ["Transfer-Encoding: identity"], smuggled],
  ["compressed chunks", ["Transfer-Encoding: gzip, chunked"], chunkedBody],
  ["chunks under another coding", ["Transfer-Encoding: chunked, gzip"], chunkedBody],
  ["a coding that only ends in 'chunked'", ["Transfer-Encoding: xchunked"], chunkedBody],
  ["two Transfer-Encodings", ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], chunkedBody],
  ["a chunk without a number", ["Transfer-Encoding: chunked"], `zz\r\nhello\r\n0\r\n\r\n${smuggled}`, true],
  ["a chunk of negative size", ["Transfer-Encoding: chunked"], `-5\r\nhello\r\n0\r\n\r\n${smuggled}`, true],
  [
    "a chunk whose size overflows",
    ["Transfer-Encoding: chunked"],
    `${"f".repeat(20)}\r\nhello\r\n0\r\n\r\n${smuggled}`,
    true,
  ],
];

/** Bytes that are not an HTTP/1.1 request, or one that no server can serve. */
const garbage: readonly [what: string, bytes: string][] = [
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP/1.0", "GET /v2/ HTTP/1.0\r\nHost: x\r\n\r\n"],
  ["HTTP/0.9", "GET /v2/\r\n"],
  ["zeros", "\0".repeat(1000)],
  ["noise", Array.from({ length: 2000 }, (_, place) => String.fromCharCode((place * 97) % 256)).join("")],
  ["a NUL in the path", "GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["an asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["no Host", "GET /v2/ HTTP/1.1\r\n\r\n"],
  ["a header without a colon", "GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n"],
  ["a space after a header's name", "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n"],
  ["a folded header", "GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"],
  ["a thousand headers", `GET /v2/ HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(1000)}\r\n`],
  ["an endless header", `GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ${"x".repeat(100_000)}`],
  ["an endless path", `GET /${"x".repeat(100_000)}`],
];

describe("on a bare socket", { concurrency: true }, () => {
  for (const [what, headers, body, inTheBody] of unclear) {
    test(`${what}: the request is refused, the connection closes, and nothing in it is carried out`, async () => {
      const name = newName();
      const blob = blobOf("hello");
      // One request with a slow response, and one with an immediate response.
      for (const lines of [pushLines(name, blob, ...headers), ["GET /v2/ HTTP/1.1", "Host: x", ...headers]]) {
        using connection = await RawConnection.open(gantry.url);
        connection.send(lines, body);
        await connection.ended();
        const statuses = [...connection.received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
        // A request on a route without a body may be answered before its body is found to be wrong.
        if (inTheBody && lines[0]?.startsWith("GET") && statuses[0] === "200") statuses.shift();
        assert.ok(statuses.length <= 1, `at most one response, not ${statuses}`);
        assert.ok(
          statuses.every((status) => status === "400" || status === "501"),
          connection.received,
        );
        if (/"message":"[^"]*length/.test(connection.received))
          assert.match(connection.received, /ambiguous body length: send exactly one Content-Length/);
      }
      assert.ok(!(await isStored(name, blob)), "nothing is stored");
    });
  }

  for (const [what, bytes] of garbage) {
    test(`${what}: refused or dropped, and the server continues`, async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.write(bytes);
      await connection.ended();
      assert.match(connection.received, /^$|^HTTP\/1\.1 [45]\d\d /);
      assert.equal((await new Client(gantry.url).get("/v2/")).status, 200);
    });
  }

  test("a header section of 15 KiB, as with long tokens, is accepted", async () => {
    using connection = await RawConnection.open(gantry.url);
    const lines = ["GET /v2/ HTTP/1.1", "Host: x", `Authorization: Bearer ${"x".repeat(15_000)}`];
    for (const part of lines.join("\r\n").match(/[\s\S]{1,4000}/g) ?? []) connection.write(part);
    connection.write("\r\n\r\n");
    assert.equal((await connection.answer()).status, 200);
  });

  test("a header section over the limit gets 431 and closes the connection", async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ${"x".repeat(100_000)}`);
    await connection.ended();
    assert.match(connection.received, /^HTTP\/1\.1 431 /);
  });

  const node20 = process.versions.node.startsWith("20.");
  const splitAt: readonly [what: string, whole: RegExp, options: TestOptions][] = [
    ["headers and body", /^.*\r\n/, {}],
    [
      "request line",
      /^/,
      {
        todo:
          node20 &&
          "uWebSockets.js 20.43, the build for Node 20, answers 505 to a request line that comes in pieces",
      },
    ],
  ];
  for (const [what, whole, options] of splitAt) {
    test(`a request whose ${what} arrive byte by byte is served`, options, async () => {
      const name = newName();
      const blob = blobOf("hello");
      using connection = await RawConnection.open(gantry.url);
      const request = `${pushLines(name, blob, "Content-Length: 5").join("\r\n")}\r\n\r\nhello`;
      const together = whole.exec(request)?.[0] ?? "";
      connection.write(together);
      for (const byte of request.slice(together.length)) {
        connection.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal((await connection.answer()).status, 201);
      assert.ok(await isStored(name, blob));
    });
  }

  test("a client that waits for 100 Continue gets it", async () => {
    const name = newName();
    const blob = blobOf(30);
    using connection = await RawConnection.open(gantry.url);
    connection.send(pushLines(name, blob, "Content-Length: 30", "Expect: 100-continue"));
    assert.equal((await connection.answer()).status, 100);
    connection.write(blob.bytes);
    assert.equal((await connection.answer()).status, 201);
  });

  describe("a refused client that closes the connection with its request", () => {
    const lines = (length: number) => [
      `PUT /v2/${newName()}/manifests/- HTTP/1.1`,
      ...["Host: x", "Connection: close", `Content-Length: ${length}`],
    ];

    test("gets the reason when its body has arrived, not before: the response would be lost", async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.send(lines(5));
      assert.equal((await client.get("/v2/")).status, 200);
      assert.equal(connection.received, "");
      connection.write("hello");
      assert.equal((await connection.answer()).status, 400);
      await connection.ended();
    });

    test("finally gets the reason although it sends more than is read", async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.send(lines(1024 ** 3), Buffer.alloc(4 * 1024 ** 2));
      assert.equal((await connection.answer()).status, 400);
      await connection.ended();
    });

    test("may disconnect before its body has arrived", async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.send(lines(5), "hell");
      connection.vanish();
      assert.equal((await client.get("/v2/")).status, 200);
    });
  });

  test("bytes after the announced body are not part of it", async () => {
    const name = newName();
    const blob = blobOf("hello");
    using connection = await RawConnection.open(gantry.url);
    connection.send(pushLines(name, blob, "Content-Length: 5"), "hello");
    assert.equal((await connection.answer()).status, 201);
    connection.write(" and more\r\n\r\n");
    await connection.ended();
    assert.match(connection.received, /^$|^HTTP\/1\.1 [45]\d\d /);
    assert.equal((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.toString(), "hello");
  });

  test("a HEAD's response has no body, and the next response starts right after it", async () => {
    const name = newName();
    const blob = blobOf("hello");
    await client.pushBlobs(name, blob);
    using connection = await RawConnection.open(gantry.url);
    const path = `/v2/${name}/blobs/${blob.digest}`;
    for (let time = 0; time < 3; time++) {
      for (const target of [path, `/v2/${name}/manifests/none`, "/v2/", "/none"]) {
        connection.send([`HEAD ${target} HTTP/1.1`, "Host: x"]);
        await connection.answer(true);
      }
      connection.send([`GET ${path} HTTP/1.1`, "Host: x"]);
      const answer = await connection.answer();
      assert.deepEqual([answer.status, answer.body], [200, "hello"]);
    }
  });

  test("pipelined requests for cached content are answered in order", async () => {
    using connection = await RawConnection.open(gantry.url);
    const paths = ["/v2/", "/none", "/v2/", "/v2/a/blobs/x", "/v2/"];
    connection.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(""));
    const statuses: number[] = [];
    for (const _ of paths) statuses.push((await connection.answer()).status);
    assert.deepEqual(statuses, [200, 404, 200, 400, 200]);
  });

  test("pipelined pushes are answered in order, or the connection closes; nothing mixes", async () => {
    const name = newName();
    const blobs = [blobOf("first"), blobOf("other")];
    using connection = await RawConnection.open(gantry.url);
    for (const blob of blobs) connection.send(pushLines(name, blob, "Content-Length: 5"), blob.bytes);
    for (const blob of blobs) {
      const answer = await connection.answer().catch(() => undefined);
      if (answer === undefined) break;
      assert.equal(answer.status, 201);
      assert.ok(answer.head.includes(blob.digest));
    }
    for (const blob of blobs) {
      const pulled = await client.get(`/v2/${name}/blobs/${blob.digest}`);
      if (pulled.status === 200) assert.ok(pulled.body.equals(blob.bytes));
    }
  });
});

test("nothing hidden in a body was carried out, and no error went unnoticed", async () => {
  assert.doesNotMatch(gantry.log(), /request failed|clean-up failed/);
  assert.equal((await client.get("/v2/")).status, 200);
});
