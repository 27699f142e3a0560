// Which prefixes an upstream registry may use: only those below which nothing was pushed, across restarts, crashes and changes
// of the settings.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Digest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { Storage } from "../../src/storage/storage.js";
import { claimPrefixes, ownedPrefixes } from "../../src/upstream/ownership.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, image } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { memoryStorage } from "../support/memory-storage.js";
import { newRoot } from "../support/new-root.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();

async function addManifest(storage: Storage, name: string): Promise<void> {
  const { digest, bytes } = image();
  await storage.manifests.write(parseRepositoryName(name), digest as Digest, bytes);
}

test("a prefix without repositories is claimed, and stays claimed when it has some", async () => {
  const storage = memoryStorage();
  for (const neighbour of ["ghcr.io", "ghcr.io-2/app", "ghcr.io0/app", "team/ghcr.io/app"])
    await addManifest(storage, neighbour);
  assert.equal(await claimPrefixes(storage, ["ghcr.io"]), undefined);
  await addManifest(storage, "ghcr.io/org/app");
  assert.equal(await claimPrefixes(storage, ["ghcr.io"]), undefined);
  assert.deepEqual(await ownedPrefixes(storage), new Set(["ghcr.io"]));
});

test("a prefix below which a repository exists is refused, and nothing changes", async () => {
  const storage = memoryStorage();
  await claimPrefixes(storage, ["ghcr.io"]);
  await addManifest(storage, "quay.io/org/app");
  assert.deepEqual(await claimPrefixes(storage, ["ghcr.io", "quay.io"]), {
    prefix: "quay.io",
    name: "quay.io/org/app",
  });
  assert.deepEqual(await ownedPrefixes(storage), new Set(["ghcr.io"]));
});

test("a prefix that was an upstream's is released, and refused again once something was pushed there", async () => {
  const storage = memoryStorage();
  await claimPrefixes(storage, ["ghcr.io", "quay.io"]);
  assert.equal(await claimPrefixes(storage, ["quay.io"]), undefined);
  assert.deepEqual(await ownedPrefixes(storage), new Set(["quay.io"]));
  await addManifest(storage, "ghcr.io/org/app");
  assert.equal((await claimPrefixes(storage, ["ghcr.io", "quay.io"]))?.prefix, "ghcr.io");
});

test("a crash before the note is written leaves the earlier prefixes", async () => {
  const storage = memoryStorage();
  await claimPrefixes(storage, ["ghcr.io"]);
  const failing = {
    ...storage,
    notes: { ...storage.notes, put: () => Promise.reject(new Error("no power")) },
  };
  await assert.rejects(claimPrefixes(failing, ["quay.io"]), /no power/);
  assert.deepEqual(await ownedPrefixes(storage), new Set(["ghcr.io"]));
});

test("with a damaged note, no prefix with repositories may be used", async () => {
  const storage = memoryStorage();
  await claimPrefixes(storage, ["ghcr.io", "quay.io"]);
  await addManifest(storage, "ghcr.io/org/app");
  await storage.notes.put("upstream-prefixes", Buffer.from('{"version":1,"prefi'));
  assert.equal(await claimPrefixes(storage, ["quay.io"]), undefined);
  assert.equal((await claimPrefixes(storage, ["ghcr.io"]))?.prefix, "ghcr.io");
});

test("the start is refused if images or blobs were pushed below the prefix, and names what to do", async () => {
  for (const push of [
    (client: Client) => client.pushImage("docker.io/library/app", image(), "1"),
    (client: Client) => client.pushBlobs("docker.io/library/app", blobOf(100)),
  ]) {
    const root = await newRoot();
    const before = await startInside({}, root);
    await push(new Client(before.url));
    await before.stop();
    await assert.rejects(startInside(cacheOf(upstream), root), ({ message }: Error) => {
      assert.match(message, /the prefix docker\.io .* docker\.io\/library\/app/s);
      assert.match(message, /set another prefix/);
      return true;
    });
    const other = { upstreams: [{ name: "docker.io", url: upstream.url, prefix: "hub" }] };
    await (await startInside(cacheOf(upstream, other), root)).stop();
  }
});

test("a store with cached images starts again, and with a prefix that was given up it does not", async () => {
  const root = await newRoot();
  const made = image();
  upstream.add("library/kept", made, "1");
  const path = "/v2/docker.io/library/kept/manifests/1";
  for (let starts = 0; starts < 2; starts++) {
    const server = await startInside(cacheOf(upstream), root);
    assert.equal((await new Client(server.url).get(path)).status, 200);
    await server.stop();
  }
  const without = await startInside({}, root);
  const client = new Client(without.url);
  const pushed = image();
  await client.pushImage("docker.io/library/kept", pushed, "1");
  assert.equal((await client.head(path)).headers["docker-content-digest"], pushed.digest);
  await without.stop();
  await assert.rejects(startInside(cacheOf(upstream), root), /may have been pushed/);
});

test("gantry import into a name below a prefix is refused, with and without a server", async () => {
  const root = await newRoot();
  const layout = join(await newRoot(), "layout");
  await using local = await startInside(cacheOf(upstream), root);
  await new Client(local.url).pushImage("team/app", image(), "1");
  assert.equal((await gantry(root, ["export", "team/app:1", layout])).code, 0);
  const words = ["import", "--from-oci", layout, "--as", "docker.io/library/app:1"];
  const served = await gantry(root, words);
  await local.stop();
  const alone = await gantry(root, words, cacheOf(upstream));
  for (const { code, stdout } of [served, alone]) {
    assert.equal(code, 1, stdout);
    assert.match(stdout, /docker\.io\/library\/app: .*belongs to an upstream registry/);
  }
  const again = await startInside({}, root);
  assert.equal((await new Client(again.url).get("/v2/docker.io/library/app/tags/list")).status, 404);
  await again.stop();
});
