// Files of the store that an operator removes while the server runs: health checks notice it, and no second server starts.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";

const settings = {
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: "50ms",
  REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: "1",
  REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: "1s",
};

async function unready(client: Client): Promise<void> {
  await eventually(
    "the server is not ready",
    async () => (await client.get("/readyz")).status === 503 || undefined,
  );
}

for (const processes of ["1", "2"])
  test(`without the file lock, a store of ${processes} processes is not ready, and not opened again`, async () => {
    await using gantry = await startGantry({ ...settings, REGISTRY_HTTP_PROCESSES: processes });
    const client = new Client(gantry.url);
    await eventually(
      "the server is ready",
      async () => (await client.get("/readyz")).status === 200 || undefined,
    );
    await assert.rejects(startGantry({}, gantry.root), /stop it, or use another folder; do not remove/);
    await rm(join(gantry.root, "lock"));
    await unready(client);
    assert.match(gantry.log(), /lock was removed or replaced.*stop every gantry that uses it, and start one/);
    // Also when the first attempt has left a file of that name.
    for (const attempt of [1, 2])
      await assert.rejects(
        startGantry({}, gantry.root),
        /which answers at .*control\.sock/,
        `attempt ${attempt}`,
      );
    assert.equal((await client.get("/v2/")).status, 200);
  });

test("without its journal, a server is not ready, and acknowledges nothing after the next checkpoint", async () => {
  await using gantry = await startGantry(settings);
  const client = new Client(gantry.url);
  await client.pushBlobs(newName(), blobOf(100));
  await rm(join(gantry.root, "journal"), { recursive: true });
  await unready(client);
  assert.match(gantry.log(), /journal\/mark was removed or replaced.*restart the server/);
  await eventually("pushes are refused", async () => {
    const blob = blobOf(100);
    const { status } = await client.request("POST", `/v2/${newName()}/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
      headers: { "Content-Type": "application/octet-stream" },
    });
    return (status === 500 && /the journal's checkpoint has failed: restart/.test(gantry.log())) || undefined;
  });
});
