// The redo journal of several processes: what one of them has acknowledged counts, whichever of them ends how.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { clientOf, memberProcesses } from "../support/server-processes.js";
import { until } from "../support/until.js";

const settings = {
  REGISTRY_HTTP_PROCESSES: "2",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
  REGISTRY_GC_INTERVAL: "0s",
  REGISTRY_LOG_FORMATTER: "json",
};

test("what is deleted after the process that pushed it was killed does not come back", async () => {
  const first = await startGantry(settings);
  const client = await clientOf(first, 2);
  const name = newName();
  const images = Array.from({ length: 10 }, () => image({ layers: 0 }));
  for (const { blobs } of images) await client.pushBlobs(name, ...blobs);
  const [member = 0] = await memberProcesses(first.pid);
  // Only the first of these sends a message, within a second: no other process knows the numbers of the later records.
  for (const { digest, bytes, mediaType } of images)
    assert.equal((await client.putManifest(name, digest, bytes, mediaType)).status, 201);
  process.kill(member, "SIGKILL");
  await until("it is replaced", async () => {
    const [now] = await memberProcesses(first.pid);
    return now !== undefined && now !== member;
  });
  const last = `/v2/${name}/manifests/${images.at(-1)?.digest}`;
  assert.equal((await (await clientOf(first, 1)).delete(last)).status, 202);
  await first.kill();
  await using second = await startGantry(settings, first.root);
  const now = new Client(second.url);
  assert.equal((await now.head(last)).status, 404);
  assert.equal((await now.head(`/v2/${name}/manifests/${images[0]?.digest}`)).status, 200);
});
