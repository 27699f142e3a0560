// With `http.keepalive: false`, every response says once that it is the connection's last one.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { RawConnection } from "../support/raw.js";

const gantry = await startInside({ REGISTRY_HTTP_KEEPALIVE: "false" });
after(() => gantry.stop());
const client = new Client(gantry.url);
const name = newName();
const [small, large] = [blobOf("hello"), blobOf(3 * 1024 * 1024)];
await client.pushBlobs(name, small, large);

const { digest } = small;
for (const [what, lines, status, closedByServer] of [
  ["a GET", ["GET /v2/ HTTP/1.1"], 200, true],
  ["a HEAD", [`HEAD /v2/${name}/blobs/${digest} HTTP/1.1`], 200, false],
  ["a GET of a cached blob", [`GET /v2/${name}/blobs/${digest} HTTP/1.1`], 200, true],
  ["a GET of a large blob", [`GET /v2/${name}/blobs/${large.digest} HTTP/1.1`], 200, false],
  ["a GET with 304", [`GET /v2/${name}/blobs/${digest} HTTP/1.1`, `If-None-Match: "${digest}"`], 304, false],
  ["an error", ["GET /v2/none/manifests/none HTTP/1.1"], 404, true],
  ["a push", [`POST /v2/${name}/blobs/uploads/ HTTP/1.1`, "Content-Length: 0"], 202, true],
] as const)
  test(`${what} is the last request on its connection`, async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.send([...lines, "Host: x"]);
    const answer = await connection.answer(status === 304 || what === "a HEAD");
    assert.equal(answer.status, status);
    assert.equal(answer.head.match(/^connection: close$/gim)?.length, 1, answer.head);
    // After a response without a body, or one sent in pieces, the client must close; the server does after ten seconds.
    if (closedByServer) await connection.ended();
  });
