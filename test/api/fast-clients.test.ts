// Clients on the same machine that send faster than a worker can write must not be refused for that.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { newName } from "../support/content.js";
import { RawConnection } from "../support/raw.js";

const { client, gantry } = await serve({ REGISTRY_UPLOADS_MEMORYMIB: "8" });

const part = Buffer.alloc(32 * 1024 * 1024, "gantry");
const parts = 16;

test("a blob of 512 MiB in one request is received at full speed, even with little memory for uploads", async () => {
  const hash = createHash("sha256");
  for (let count = 0; count < parts; count++) hash.update(part);
  const name = newName();
  const digest = `sha256:${hash.digest("hex")}`;
  using connection = await RawConnection.open(gantry.url);
  connection.send([
    `POST /v2/${name}/blobs/uploads/?digest=${digest} HTTP/1.1`,
    "Host: x",
    "Content-Type: application/octet-stream",
    `Content-Length: ${part.length * parts}`,
  ]);
  for (let count = 0; count < parts; count++) {
    if (!connection.socket.write(part)) await once(connection.socket, "drain");
  }
  assert.equal((await connection.answer()).status, 201);
  const { status, headers } = await client.head(`/v2/${name}/blobs/${digest}`);
  assert.deepEqual([status, headers["content-length"]], [200, String(part.length * parts)]);
});
