// The bench's client that pulls over TLS without decrypting counts what was sent.

import { deepEqual, equal, rejects } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, suite, test } from "node:test";
import fc from "fast-check";
import { drainRecords, RecordCounter } from "../../bench/driver/record-drain.js";
import { issueCertificate } from "../support/certificates.js";

function recordOf(contentBytes: number): Buffer {
  const record = Buffer.alloc(5 + contentBytes + 17);
  record.writeUInt16BE(contentBytes + 17, 3);
  return record;
}

test("records are counted however the stream is divided", () => {
  const sizes = fc.array(fc.nat(2000), { maxLength: 20 });
  const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 });
  fc.assert(
    fc.property(sizes, cuts, (contents, steps) => {
      const stream = Buffer.concat(contents.map(recordOf));
      const counter = new RecordCounter();
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const step = steps[turn % steps.length] ?? 1;
        counter.push(stream.subarray(at, at + step));
        at += step;
      }
      equal(counter.isWhole, true);
      equal(
        counter.contentBytes,
        contents.reduce((sum, size) => sum + size, 0),
      );
    }),
  );
});

test("a stream that ends within a record is not whole", () => {
  const stream = Buffer.concat([recordOf(100), recordOf(200)]);
  const ends = [3, 5, 121, 122, 124, 127, stream.length - 1, stream.length].map((end) => {
    const counter = new RecordCounter();
    counter.push(stream.subarray(0, end));
    return counter.isWhole;
  });
  deepEqual(ends, [false, false, false, true, false, false, false, true]);
});

suite("a pull from an HTTPS server", () => {
  const body = Buffer.alloc(3_000_000, "body");
  const server = createServer((request, response) => {
    response.statusCode = request.url === "/blob" ? 200 : 404;
    if (request.url === "/cut") response.socket?.destroy();
    else response.setHeader("Content-Length", body.length).end(body);
  });
  let port = 0;
  let ca = "";

  before(async () => {
    const { pem, keyPem } = await issueCertificate({ name: "bench", addresses: ["127.0.0.1"] });
    server.setSecureContext({ cert: pem, key: keyPem });
    ca = pem;
    await once(server.listen(0, "127.0.0.1"), "listening");
    port = (server.address() as AddressInfo).port;
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  test("returns the length of the body", async () => {
    equal(await drainRecords(port, ca, "/blob"), body.length);
  });

  test("fails with another status", async () => {
    await rejects(drainRecords(port, ca, "/missing"), /404/);
  });

  test("fails if the server closes the connection", async () => {
    await rejects(drainRecords(port, ca, "/cut"), /closed|ECONNRESET/);
  });
});
