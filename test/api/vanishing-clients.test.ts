// Clients that disconnect: during a body, a download, or before the response. An upload's bytes stay if it can continue, and
// nothing else is left.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, serve } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";
import { eventually, storedBelow } from "../support/store.js";

const { client, gantry } = await serve();
const bytes = 1_000_000;

/** Retries while the server has not yet noticed that the previous client has disconnected. */
function whenFree(work: () => Promise<Answer>): Promise<Answer> {
  return eventually("the upload is free", async () => {
    const answer = await work();
    return answer.status === 409 ? undefined : answer;
  });
}

async function rangeIs(location: string, range: string): Promise<void> {
  await eventually(`the upload has ${range}`, async () =>
    (await client.get(location)).headers.range === range ? true : undefined,
  );
}

const framings: readonly [what: string, headers: string[], frame: (part: Buffer) => Buffer][] = [
  ["with a length", [`Content-Length: ${bytes}`], (part) => part],
  [
    "streamed",
    ["Transfer-Encoding: chunked"],
    (part) => Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
  ],
];
const goings: readonly [how: string, go: (connection: RawConnection) => void][] = [
  ["with a reset", (connection) => connection.vanish()],
  ["by closing", (connection) => connection.socket.destroy()],
  ["by closing its side", (connection) => connection.socket.end()],
];

describe("a client that disconnects", { concurrency: 4 }, () => {
  for (const [what, headers, frame] of framings) {
    for (const [how, go] of goings) {
      test(`during a PATCH ${what}, ${how}: the upload reports its offset and continues`, async () => {
        const name = newName();
        const blob = blobOf(bytes);
        const location = await client.openUpload(name);
        using connection = await RawConnection.open(gantry.url);
        connection.send(
          [`PATCH ${location} HTTP/1.1`, "Host: x", ...headers],
          frame(blob.bytes.subarray(0, 700_000)),
        );
        await rangeIs(location, "0-699999");
        go(connection);
        const range = { "Content-Range": "700000-999999" };
        const rest = blob.bytes.subarray(700_000);
        const answer = await whenFree(() => client.patch(location, rest, range));
        assert.equal(answer.status, 202, answer.body.toString());
        assert.equal(answer.headers.range, "0-999999");
        assert.equal((await client.close(location, blob.digest)).status, 201);
      });

      test(`during the closing PUT ${what}, ${how}: the PUT can be repeated`, async () => {
        const name = newName();
        const blob = blobOf(bytes + 100);
        const location = await client.openUpload(name);
        await client.patch(location, blob.bytes.subarray(0, 100));
        using connection = await RawConnection.open(gantry.url);
        connection.send(
          [`PUT ${location}?digest=${blob.digest} HTTP/1.1`, "Host: x", ...headers],
          frame(blob.bytes.subarray(100, 600_100)),
        );
        await rangeIs(location, "0-600099");
        go(connection);
        await rangeIs(location, "0-99");
        const answer = await whenFree(() => client.close(location, blob.digest, blob.bytes.subarray(100)));
        assert.equal(answer.status, 201, answer.body.toString());
        assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
      });
    }
  }

  test("during a manifest: it is not stored", async () => {
    const name = newName();
    const made = image();
    await client.pushBlobs(name, ...made.blobs);
    using connection = await RawConnection.open(gantry.url);
    const lines = [`PUT /v2/${name}/manifests/latest HTTP/1.1`, "Host: x", `Content-Type: ${made.mediaType}`];
    connection.send([...lines, `Content-Length: ${made.bytes.length}`], made.bytes.subarray(0, -1));
    connection.socket.end();
    await connection.ended();
    assert.equal((await client.get(`/v2/${name}/manifests/latest`)).status, 404);
  });

  test("during a header: nothing happens", async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.write("GET /v2/ HTTP/1.1\r\nHos");
    connection.vanish();
    assert.equal((await client.get("/v2/")).status, 200);
  });
});

test("a hundred clients that disconnect during a download leave its buffers to others", async () => {
  const name = newName();
  const blob = blobOf(6 * 1024 * 1024);
  await client.pushBlobs(name, blob);
  for (let round = 0; round < 10; round++) {
    const connections = await Promise.all(Array.from({ length: 10 }, () => RawConnection.open(gantry.url)));
    for (const connection of connections) {
      connection.send([`GET /v2/${name}/blobs/${blob.digest} HTTP/1.1`, "Host: x"]);
    }
    for (const connection of connections) {
      await connection.until(() => (connection.received.length > 0 ? true : undefined), "the first bytes");
      connection.vanish();
    }
  }
  const pulls = Array.from({ length: 5 }, () => client.get(`/v2/${name}/blobs/${blob.digest}`));
  for (const answer of await Promise.all(pulls)) assert.ok(answer.body.equals(blob.bytes));
});

test("clients that disconnect before the response leave complete blobs or none, and no uploads", async () => {
  const name = newName();
  const blobs = Array.from({ length: 30 }, () => blobOf(50_000));
  for (const { digest, bytes } of blobs) {
    const connection = await RawConnection.open(gantry.url);
    const line = `POST /v2/${name}/blobs/uploads/?digest=${digest} HTTP/1.1`;
    connection.send([line, "Host: x", "Content-Length: 50000"], bytes);
    connection.socket.end();
    setImmediate(() => connection.vanish());
  }
  const temporary = async () => {
    const left = await storedBelow(`${gantry.root}/uploads`);
    return left.every((path) => path.includes("/") || blobs.length === 0) ? true : undefined;
  };
  await eventually("no body of a request is left", temporary);
  for (const { digest, bytes } of blobs) {
    const answer = await client.get(`/v2/${name}/blobs/${digest}`);
    if (answer.status !== 404) assert.ok(answer.body.equals(bytes));
    await client.pushBlobs(name, { digest, bytes });
    assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
  }
  assert.doesNotMatch(gantry.log(), /request failed|clean-up failed/);
});
