// Pages of a node whose store accepts connections and never answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { startRelay } from "../support/relay.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

/** A page takes milliseconds, also on a busy machine; a request to the store that is not answered takes 25 s. */
const pageMillisecondsMax = 3_000;

const note = "The storage does not answer at the moment";

test("no page waits for a frozen store, and those that miss something say so", {
  skip: needsVersitygw,
}, async () => {
  await using server = await startS3Server();
  await using relay = await startRelay(server.port);
  const settings = {
    REGISTRY_STORAGE_DELETE_ENABLED: "true",
    REGISTRY_HTTP_UI_ENABLED: "true",
    REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: "500ms",
  };
  await using node = await startS3Node(server, { endpoint: relay.url, settings });
  const client = new Client(node.url);
  const [first, second] = [image(), image()];
  await client.pushImage("app", first, "live");
  await client.pushImage("app", second, "live");
  await client.pushImage("app", first, "gone");
  await client.delete("/v2/app/manifests/gone");
  const page = async (path: string) => {
    const begun = performance.now();
    const { status, body } = await client.get(path, { Prefer: "wait=1" });
    const text = body.toString();
    assert.equal(status, 200, text);
    assert.ok(performance.now() - begun < pageMillisecondsMax, `${path}: ${performance.now() - begun} ms`);
    return text;
  };

  await relay.set("hang");
  // The check that is running when the store stops to answer counts as slow after two seconds.
  await eventually("the note", async () =>
    (await page("/ui/r/app/_removed")).includes(note) ? true : undefined,
  );
  const rollback = `/ui/r/app/_rollback/live?digest=${first.digest}`;
  for (const path of ["_tags", "_untagged", "_delete?tag=live", "_image/live"]) {
    const text = await page(`/ui/r/app/${path}`);
    assert.equal(text.includes(note), text.includes("data-pending"), path);
  }
  assert.match(await page("/ui/r/app/_history/live"), /The history is being read/);
  assert.doesNotMatch(await page("/ui/r/app/_delete?tag=other"), /Delete 0 tags/);
  assert.doesNotMatch(await page(rollback), /<button[^>]*>Roll back/, "what the tag points to is not known");

  await relay.set("pass");
  const history = await eventually(
    "the history",
    async () => {
      const text = await page("/ui/r/app/_history/live");
      return text.includes("Roll back to this image") ? text : undefined;
    },
    40_000,
  );
  assert.doesNotMatch(history, new RegExp(note));
  await eventually("the removed tag", async () =>
    (await page("/ui/r/app/_removed")).includes("gone") ? true : undefined,
  );
  await eventually("the confirmation", async () =>
    (await page(rollback)).includes("You push this image") ? true : undefined,
  );
});
