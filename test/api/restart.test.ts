// SIGTERM: running requests finish, acknowledged content is there afterwards, the process exits with 0, and a request that
// does not finish in time does not delay it.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { type Blob, blobOf, image, newName } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually, uploadsWithBytes } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-restart-"));
after(() => rm(folder, { recursive: true, force: true }));

/** Resolves when the only running upload has bytes in the store at `root`. */
async function uploadHasBegun(root: string): Promise<void> {
  const state = async () => ((await uploadsWithBytes(root)) === 1 ? true : undefined);
  await eventually("the upload has bytes in the storage", state);
}

test("rolling restarts under load lose no acknowledged push, and retrying clients succeed", async () => {
  const root = join(folder, "rolling");
  const port = await freePort();
  const settings = { REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` };
  const url = `http://127.0.0.1:${port}`;
  const name = newName();
  const acknowledged: { tag: string; bytes: Buffer; blobs: readonly Blob[] }[] = [];
  let stopping = false;
  let retries = 0;
  let gantry = await startGantry(settings, root);
  const clients = Array.from({ length: 8 }, async (_, number) => {
    for (let count = 0; !stopping; count++) {
      const made = image({ layers: 2 });
      const tag = `t-${number}-${count}`;
      // Like CI: retries a push that a restart has interrupted as a whole.
      for (;;) {
        const pushed = await new Client(url).pushImage(name, made, tag).then(
          () => true,
          () => false,
        );
        if (pushed) break;
        retries++;
        await pause(20);
      }
      acknowledged.push({ tag, bytes: made.bytes, blobs: made.blobs });
    }
  });
  /** Resolves when every client may have pushed to the current server. */
  const pushedMore = async () => {
    const before = acknowledged.length;
    const enough = () => (acknowledged.length >= before + 2 * clients.length ? true : undefined);
    await eventually("pushes are acknowledged", enough, 20_000);
  };
  for (let restart = 0; restart < 4; restart++) {
    await pushedMore();
    // Rejects unless it exits by itself with 0.
    await gantry.stop();
    gantry = await startGantry(settings, root);
  }
  await pushedMore();
  stopping = true;
  await Promise.all(clients);
  await using last = gantry;
  const client = new Client(last.url);
  assert.ok(retries > 0, "restarts were noticed");
  for (const { tag, bytes, blobs } of acknowledged) {
    assert.ok((await client.get(`/v2/${name}/manifests/${tag}`)).body.equals(bytes), tag);
    for (const { digest, bytes: content } of blobs)
      assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(content));
  }
});

test("an upload and a download that run when the server stops finish", async () => {
  const root = join(folder, "graceful");
  const gantry = await startGantry({}, root);
  const name = newName();
  const [up, down] = [blobOf(4_000_000), blobOf(8_000_000)];
  await new Client(gantry.url).pushBlobs(name, down);
  using sender = await RawConnection.open(gantry.url);
  using reader = await RawConnection.open(gantry.url);
  sender.send(
    [
      `POST /v2/${name}/blobs/uploads/?digest=${up.digest} HTTP/1.1`,
      "Host: x",
      `Content-Length: ${up.bytes.length}`,
    ],
    up.bytes.subarray(0, 1_000_000),
  );
  reader.send([`GET /v2/${name}/blobs/${down.digest} HTTP/1.1`, "Host: x"]);
  await reader.until(() => (reader.size > 0 ? true : undefined), "the first bytes");
  reader.socket.pause();
  await uploadHasBegun(root);
  const stopped = gantry.stop();
  await eventually("no more connections are accepted", () =>
    new Client(gantry.url).get("/v2/").then(
      () => undefined,
      () => true,
    ),
  );
  sender.write(up.bytes.subarray(1_000_000));
  assert.equal((await sender.answer()).status, 201);
  reader.socket.resume();
  assert.equal((await reader.answer()).body.length, down.bytes.length);
  await stopped;
  await using again = await startGantry({}, root);
  const found = await new Client(again.url).get(`/v2/${name}/blobs/${up.digest}`);
  assert.ok(found.body.equals(up.bytes));
});

test("a client that never finishes does not delay the server beyond its timeout", async () => {
  const root = join(folder, "late");
  const gantry = await startGantry({ REGISTRY_HTTP_DRAINTIMEOUT: "1s" }, root);
  using sender = await RawConnection.open(gantry.url);
  const blob = blobOf(1000);
  const path = `/v2/${newName()}/blobs/uploads/?digest=${blob.digest}`;
  sender.send([`POST ${path} HTTP/1.1`, "Host: x", "Content-Length: 1000"], blob.bytes.subarray(0, 10));
  await uploadHasBegun(root);
  const began = performance.now();
  await gantry.stop();
  const took = performance.now() - began;
  assert.ok(took > 900 && took < 8_000, `${took} ms`);
  assert.match(gantry.log(), /did not finish within http\.draintimeout/);
});
