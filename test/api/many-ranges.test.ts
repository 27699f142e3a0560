// Requests of lazy pullers: thousands of ranges in one request, in a header of up to 64 KiB.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, serve } from "../support/client.js";
import { type Blob, blobOf, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";

const { client, gantry } = await serve();
const name = newName();

/** One answered from memory, one read from its file. */
const small = blobOf(60_000);
const large = blobOf(5 * 1024 * 1024 + 17);
await client.pushBlobs(name, small, large);

type Range = readonly [first: number, last: number];

function headerOf(ranges: readonly Range[]): string {
  return `bytes=${ranges.map(([first, last]) => `${first}-${last}`).join(",")}`;
}

function get({ digest }: Blob, ranges: readonly Range[]): Promise<Answer> {
  return client.get(`/v2/${name}/blobs/${digest}`, { Range: headerOf(ranges) });
}

/** The parts are exactly the ranges in order, byte for byte. */
function assertParts(type: string, body: Buffer, { bytes }: Blob, ranges: readonly Range[]): void {
  const boundary = /^multipart\/byteranges; boundary=([0-9a-f]+)$/.exec(type)?.[1];
  assert.ok(boundary !== undefined, type);
  let at = 0;
  const expect = (expected: Uint8Array, what: string) => {
    assert.ok(body.subarray(at, at + expected.length).equals(expected), `${what} at ${at}`);
    at += expected.length;
  };
  for (const [index, [first, last]] of ranges.entries()) {
    const head =
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: application/octet-stream\r\n` +
      `Content-Range: bytes ${first}-${last}/${bytes.length}\r\n\r\n`;
    expect(Buffer.from(head), `the header of part ${index}`);
    expect(bytes.subarray(first, last + 1), `the body of part ${index}`);
  }
  expect(Buffer.from(`\r\n--${boundary}--\r\n`), "the end");
  assert.equal(at, body.length);
}

function every(count: number, step: number, length: number, from = 0): Range[] {
  return Array.from({ length: count }, (_, at) => [from + at * step, from + at * step + length - 1]);
}

const layouts: readonly [what: string, of: Blob, ranges: readonly Range[]][] = [
  ["986 as podman sends them", large, every(986, 5200, 3000)],
  ["1,024 far from each other", large, every(1024, 5000, 10)],
  ["4,096 of one byte, from memory", small, every(4096, 14, 1)],
  ["5,000 in a file, in 60 KB", large, every(4000, 1300, 1, 1_000)],
  [
    "some long ones between others",
    large,
    [
      [0, 0],
      [100, 2_900_000],
      [3_000_000, 3_000_001],
      [3_100_000, 3_133_000],
      [5_000_000, 5_000_000],
    ],
  ],
  ["from the end to the start", large, every(500, 9000, 4000).reverse()],
  ["adjacent ones, of as many bytes as there are", small, every(600, 100, 100)],
  [
    "of exactly the size that is not copied",
    large,
    [
      [7, 7 + 32 * 1024 - 1],
      [200_000, 200_000 + 32 * 1024 - 2],
    ],
  ],
];
for (const [what, blob, ranges] of layouts) {
  test(`ranges: ${what}`, async () => {
    const answer = await get(blob, ranges);
    assert.equal(answer.status, 206, answer.body.toString("latin1", 0, 200));
    assert.equal(answer.headers["content-length"], String(answer.body.length));
    assertParts(String(answer.headers["content-type"]), answer.body, blob, ranges);
  });
}

test("a header of 50 KB may arrive in pieces", async () => {
  const ranges = every(3700, 1300, 100, 1_000_000).filter(([, last]) => last < large.bytes.length);
  using connection = await RawConnection.open(gantry.url);
  const head = `GET /v2/${name}/blobs/${large.digest} HTTP/1.1\r\nHost: x\r\nRange: ${headerOf(ranges)}\r\n\r\n`;
  assert.ok(head.length > 50_000 && head.length < 64 * 1024, String(head.length));
  for (let at = 0; at < head.length; at += 9_000) {
    connection.write(head.slice(at, at + 9_000));
    await sleep(5);
  }
  const answer = await connection.answer();
  assert.equal(answer.status, 206);
  const type = /^content-type: (.*)$/im.exec(answer.head)?.[1] ?? "";
  assertParts(type.trim(), Buffer.from(answer.body, "latin1"), large, ranges);
});

test("a header over 64 KiB in pieces is refused as a whole", async () => {
  using connection = await RawConnection.open(gantry.url);
  connection.write(`GET /v2/${name}/blobs/${large.digest} HTTP/1.1\r\nHost: x\r\nRange: bytes=`);
  for (let piece = 0; piece < 9 && !connection.closed; piece++) {
    connection.write("1000-1001,".repeat(900));
    await sleep(5);
  }
  connection.write("0-0\r\n\r\n");
  assert.equal((await connection.answer()).status, 431);
});

test("a header section over 64 KiB in one read is refused, and one just below is not", async () => {
  for (const [bytes, status] of [
    [64 * 1024 - 64, 200],
    [64 * 1024 + 1, 431],
    [100 * 1024, 431],
  ] as const) {
    using connection = await RawConnection.open(gantry.url);
    connection.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(bytes - 19)}\r\n\r\n`);
    const answer = await connection.answer();
    assert.equal(answer.status, status, `${bytes} bytes`);
    if (status === 200) continue;
    // uWebSockets.js itself responds if the bytes arrived in several reads after all.
    if (answer.body.startsWith("{")) assert.match(answer.body, /setting limits\.headerbytes/);
  }
});

test("a client that reads slowly gets every byte of its ranges", async () => {
  const ranges = every(986, 5200, 5000);
  using connection = await RawConnection.open(gantry.url);
  connection.socket.pause();
  connection.send([
    `GET /v2/${name}/blobs/${large.digest} HTTP/1.1`,
    "Host: x",
    `Range: ${headerOf(ranges)}`,
  ]);
  for (let pause = 0; pause < 40; pause++) {
    await sleep(10);
    connection.socket.resume();
    await sleep(1);
    connection.socket.pause();
  }
  connection.socket.resume();
  const answer = await connection.answer();
  assert.equal(answer.status, 206);
  const type = /^content-type: (.*)$/im.exec(answer.head)?.[1] ?? "";
  assertParts(type.trim(), Buffer.from(answer.body, "latin1"), large, ranges);
});

test("clients that disconnect in the middle delay nothing", async () => {
  const lines = [
    `GET /v2/${name}/blobs/${large.digest} HTTP/1.1`,
    "Host: x",
    `Range: ${headerOf(every(4000, 1300, 1000))}`,
  ];
  const connections = await Promise.all(Array.from({ length: 40 }, () => RawConnection.open(gantry.url)));
  for (const connection of connections) {
    connection.socket.pause();
    connection.send(lines);
  }
  await sleep(50);
  for (const connection of connections) connection.vanish();
  const ranges = every(986, 5200, 3000);
  const answers = await Promise.all(Array.from({ length: 20 }, () => get(large, ranges)));
  for (const answer of answers) {
    assert.equal(answer.status, 206);
    assertParts(String(answer.headers["content-type"]), answer.body, large, ranges);
  }
});

test("ranges are ignored without memory for them, until others have finished", async () => {
  // One client may use half of the memory: 128 responses of 4,096 ranges. Each has about 5 MB, more than a socket accepts.
  const lines = [
    `GET /v2/${name}/blobs/${large.digest} HTTP/1.1`,
    "Host: x",
    `Range: ${headerOf(every(4096, 1200, 1180))}`,
  ];
  const connections = await Promise.all(Array.from({ length: 150 }, () => RawConnection.open(gantry.url)));
  for (const connection of connections) {
    connection.socket.pause();
    connection.send(lines);
    await sleep(1);
  }
  await sleep(500);
  const ranges = every(986, 5200, 3000);
  const answer = await get(large, ranges);
  for (const connection of connections) connection.vanish();
  assert.equal(answer.status, 200);
  assert.ok(answer.body.equals(large.bytes));
  for (let status = 200; status !== 206; ) ({ status } = await get(large, ranges));
});
