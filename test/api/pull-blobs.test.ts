// end-2: whole blobs and ranges, HEAD, and conditions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, serve } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";

const { client } = await serve();
const name = newName();

/** One answered from memory, one read from its file in several pieces. */
const small = blobOf(1000);
const large = blobOf(3 * 1024 * 1024 + 17);
const empty = blobOf(0);
await client.pushBlobs(name, small, large, empty);
const sizes = [
  ["small", small],
  ["large", large],
  ["empty", empty],
] as const;

for (const [what, { bytes, digest }] of sizes) {
  test(`a ${what} blob is returned as pushed, each time`, async () => {
    for (let time = 0; time < 2; time++) {
      const answer = await client.get(`/v2/${name}/blobs/${digest}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(bytes));
      assert.equal(answer.headers["content-length"], String(bytes.length));
      assert.equal(answer.headers["docker-content-digest"], digest);
      assert.equal(answer.headers["content-type"], "application/octet-stream");
      assert.equal(answer.headers.etag, `"${digest}"`);
      assert.equal(answer.headers["accept-ranges"], "bytes");
    }
  });

  test(`HEAD of a ${what} blob has the headers of GET, without the bytes`, async () => {
    const [get, head] = await Promise.all([
      client.get(`/v2/${name}/blobs/${digest}`),
      client.head(`/v2/${name}/blobs/${digest}`),
    ]);
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    for (const header of ["content-length", "docker-content-digest", "content-type", "etag"]) {
      assert.equal(head.headers[header], get.headers[header], header);
    }
  });
}

test("a digest with its colon escaped is the same blob", async () => {
  const answer = await client.get(`/v2/${name}/blobs/${small.digest.replace(":", "%3A")}`);
  assert.equal(answer.status, 200);
  assert.ok(answer.body.equals(small.bytes));
});

for (const [what, { bytes, digest }] of sizes.slice(0, 2)) {
  const size = bytes.length;
  const single: readonly [range: string, first: number, last: number][] = [
    ["bytes=0-0", 0, 0],
    ["bytes=10-19", 10, 19],
    ["bytes=0-", 0, size - 1],
    [`bytes=${size - 1}-`, size - 1, size - 1],
    ["bytes=500-999999999", 500, size - 1],
    ["bytes=-1", size - 1, size - 1],
    ["bytes=-300", size - 300, size - 1],
    ["bytes=-999999999", 0, size - 1],
    [`bytes=${size}-, 5-6`, 5, 6],
  ];
  for (const [range, first, last] of single) {
    test(`${range} of a ${what} blob gets 206 with exactly these bytes`, async () => {
      const answer = await client.get(`/v2/${name}/blobs/${digest}`, { Range: range });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers["content-range"], `bytes ${first}-${last}/${size}`);
      assert.equal(answer.headers["content-length"], String(last - first + 1));
      assert.ok(answer.body.equals(bytes.subarray(first, last + 1)));
      assert.equal(answer.headers["docker-content-digest"], digest);
      assert.equal(answer.headers.etag, `"${digest}"`);
    });
  }

  test(`several ranges of a ${what} blob are sent as multipart/byteranges`, async () => {
    const ranges = [
      [0, 9],
      [100, 100],
      [size - 5, size - 1],
    ] as const;
    const header = `bytes=${ranges.map(([first, last]) => `${first}-${last}`).join(", ")}`;
    const answer = await client.get(`/v2/${name}/blobs/${digest}`, { Range: header });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers["content-range"], undefined);
    const type = String(answer.headers["content-type"]);
    const boundary = /^multipart\/byteranges; ?boundary="?([^";]+)"?$/.exec(type)?.[1];
    assert.ok(boundary !== undefined, type);
    const text = answer.body.toString("latin1");
    const [preamble, ...parts] = text.split(`--${boundary}`);
    assert.equal(preamble?.trim(), "");
    assert.equal(parts.pop()?.trim(), "--");
    assert.equal(parts.length, ranges.length);
    for (const [place, [first, last]] of ranges.entries()) {
      const [head, ...rest] = (parts[place] ?? "").split("\r\n\r\n");
      assert.match(head ?? "", new RegExp(`Content-Range: bytes ${first}-${last}/${size}`, "i"));
      assert.equal(rest.join("\r\n\r\n").slice(0, -2), bytes.toString("latin1", first, last + 1));
    }
  });

  for (const range of [`bytes=${size}-`, `bytes=${size}-${size + 9}`, "bytes=-0", "bytes=500-0"]) {
    test(`${range} of a ${what} blob cannot be satisfied`, async () => {
      const answer = await client.get(`/v2/${name}/blobs/${digest}`, { Range: range });
      assertError(answer, 416, "SIZE_INVALID");
      assert.equal(answer.headers["content-range"], `bytes */${size}`);
    });
  }

  const ignored = ["bytes=a-b", "lines=0-1", "bytes", `bytes=${"0-0,".repeat(5000)}0-0`, "bytes=0-,0-,0-"];
  for (const range of ignored) {
    test(`"${range.slice(0, 20)}" of a ${what} blob is ignored and all of it is sent`, async () => {
      const answer = await client.get(`/v2/${name}/blobs/${digest}`, { Range: range });
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(bytes));
    });
  }

  test(`If-Range decides whether the range of a ${what} blob applies`, async () => {
    const path = `/v2/${name}/blobs/${digest}`;
    const Range = "bytes=1-2";
    assert.equal((await client.get(path, { Range, "If-Range": `"${digest}"` })).status, 206);
    for (const other of ['"other"', `W/"${digest}"`, "Wed, 21 Oct 2015 07:28:00 GMT"]) {
      const answer = await client.get(path, { Range, "If-Range": other });
      assert.equal(answer.status, 200, other);
      assert.equal(answer.body.length, size);
    }
  });
}

test("any range of an empty blob gets all of it, so that nothing is missing", async () => {
  for (const Range of ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=0-1048575", "bytes=5-,7-9"]) {
    const answer = await client.get(`/v2/${name}/blobs/${empty.digest}`, { Range });
    assert.equal(answer.status, 200, Range);
    assert.equal(answer.headers["content-length"], "0");
    assert.equal(answer.headers["content-range"], undefined);
  }
});

test("a client that already has the blob gets 304", async () => {
  const etag = `"${small.digest}"`;
  const path = `/v2/${name}/blobs/${small.digest}`;
  for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    for (const method of ["GET", "HEAD"]) {
      const answer = await client.request(method, path, { headers: { "If-None-Match": condition } });
      assert.equal(answer.status, 304, condition);
      assert.equal(answer.body.length, 0);
      assert.equal(answer.headers.etag, etag);
    }
  }
  assert.equal((await client.get(path, { "If-None-Match": '"other"' })).status, 200);
});

test("a 304 has no length other than that of a 200", async () => {
  for (const method of ["GET", "HEAD"]) {
    const headers = { "If-None-Match": `"${small.digest}"` };
    const answer = await client.request(method, `/v2/${name}/blobs/${small.digest}`, { headers });
    const length = answer.headers["content-length"];
    assert.ok(length === undefined || length === String(small.bytes.length), `${method}: ${length}`);
  }
});

test("a client that already has the blob gets 304 for any range", async () => {
  const headers = { "If-None-Match": `"${small.digest}"`, Range: "bytes=9999-" };
  assert.equal((await client.get(`/v2/${name}/blobs/${small.digest}`, headers)).status, 304);
});

test("a blob that the repository does not have is unknown, although another has it", async () => {
  const other = newName();
  await client.pushBlobs(other, blobOf(10));
  for (const repository of [other, newName("new")]) {
    assertError(await client.get(`/v2/${repository}/blobs/${small.digest}`), 404, "BLOB_UNKNOWN");
    const head = await client.head(`/v2/${repository}/blobs/${small.digest}`);
    assert.deepEqual([head.status, head.body.length], [404, 0]);
  }
  const unknown = blobOf(10).digest;
  assertError(await client.get(`/v2/${name}/blobs/${unknown}`), 404, "BLOB_UNKNOWN");
});

test("many concurrent readers of one large blob each get all of it", async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => client.get(`/v2/${name}/blobs/${large.digest}`)),
  );
  for (const answer of answers) assert.ok(answer.body.equals(large.bytes));
});
