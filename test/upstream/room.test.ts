// A blob of an upstream registry that does not fit: into the free space, or into the bound of one blob.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { RegistryError } from "../../src/domain/errors.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { Server } from "../../src/server/server.js";
import { Client } from "../support/client.js";
import { type Blob, blobOf, image, newName } from "../support/content.js";
import { serveInside } from "../support/server.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const mebibyte = 1024 * 1024;

async function newServer(): Promise<{ server: Server; client: Client }> {
  const settings = cacheOf(upstream, { ttl: "0s", blobmib: 16, absentttl: "0s" });
  const server = await serveInside({ ...settings, REGISTRY_UPLOADS_WORKERS: "1" });
  return { server, client: new Client(server.url) };
}

function offer(bytes: number): { name: string; blob: Blob; path: string } {
  const name = newName("library/app");
  const blob = blobOf(bytes);
  upstream.addBlob(name, blob);
  upstream.take();
  return { name, blob, path: `/v2/${name}/blobs/${blob.digest}` };
}

async function isCached(
  { services }: Server,
  { name, blob }: { name: string; blob: Blob },
): Promise<boolean> {
  const stored = parseRepositoryName(`docker.io/${name}`);
  return (await services.storage.blobs.size(stored, parseDigest(blob.digest))) !== undefined;
}

function full(): RegistryError {
  return new RegistryError("storage-full", "the storage is full");
}

test("a fetch for which there is no space evicts the longest unused content and tries again once", async () => {
  const { server, client } = await newServer();
  const [old, recent, fresh] = [offer(16 * mebibyte), offer(12 * mebibyte), offer(4 * mebibyte)];
  for (const { path } of [old, recent]) assert.equal((await client.get(path)).status, 200);
  const space = async () => ({
    totalBytes: 30 * mebibyte,
    freeBytes: (await isCached(server, old)) ? mebibyte : 13 * mebibyte,
  });
  Object.assign(server.services.storage.volume, { space });
  upstream.take();
  assert.ok((await client.get(fresh.path)).body.equals(fresh.blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${fresh.path}`, `GET ${fresh.path}`]);
  assert.deepEqual([await isCached(server, old), await isCached(server, recent)], [false, true]);
});

test("content that would not fit even into an empty cache evicts nothing", async () => {
  const { server, client } = await newServer();
  const [old, large] = [offer(2 * mebibyte), offer(15 * mebibyte)];
  assert.equal((await client.get(old.path)).status, 200);
  Object.assign(server.services.storage.volume, {
    space: async () => ({ totalBytes: 10 * mebibyte, freeBytes: mebibyte }),
  });
  const { status } = await client.get(large.path);
  assert.equal(status, 507);
  assert.equal(await isCached(server, old), true);
});

test("readers who follow a blob notice nothing when the storage is full in its middle", async () => {
  const { server, client } = await newServer();
  const [old, large] = [offer(15 * mebibyte), offer(2 * mebibyte)];
  assert.equal((await client.get(old.path)).status, 200);
  const { uploads } = server.services.storage;
  const open = uploads.openScratchFile.bind(uploads);
  Object.assign(uploads, {
    openScratchFile: () => {
      const file = open();
      const write = file.writeLater;
      file.writeLater = async (bytes, position) => {
        if (position > mebibyte && (await isCached(server, old))) throw full();
        await write(bytes, position);
      };
      return file;
    },
  });
  const answers = await Promise.all([client.get(large.path), client.get(large.path)]);
  for (const { body } of answers) assert.ok(body.equals(large.blob.bytes));
  assert.equal(await isCached(server, old), false);
  assert.deepEqual(upstream.take(large.path), [`GET ${large.path}`, `GET ${large.path}`]);
});

test("an upstream whose second answer differs from the first breaks the readers of the first", async () => {
  const { server, client } = await newServer();
  const [old, large] = [offer(15 * mebibyte), offer(2 * mebibyte)];
  assert.equal((await client.get(old.path)).status, 200);
  let writes = 0;
  const { uploads } = server.services.storage;
  const open = uploads.openScratchFile.bind(uploads);
  Object.assign(uploads, {
    openScratchFile: () => {
      const file = open();
      const write = file.writeLater;
      file.writeLater = (bytes, position) =>
        position > mebibyte && writes++ === 0 ? Promise.reject(full()) : write(bytes, position);
      return file;
    },
  });
  let answers = 0;
  upstream.misbehave = ({ path }, response) => {
    if (path !== large.path || answers++ > 0) return false;
    // Wrong bytes first, then the right ones.
    response
      .writeHead(200, { "Content-Length": large.blob.bytes.length })
      .end(Buffer.alloc(large.blob.bytes.length));
    return true;
  };
  await assert.rejects(client.get(large.path));
  upstream.misbehave = () => false;
  assert.equal(answers, 2);
  assert.equal(await isCached(server, large), false);
});

test("a manifest is fetched again, too, if the storage was full", async () => {
  const { server, client } = await newServer();
  const old = offer(12 * mebibyte);
  assert.equal((await client.get(old.path)).status, 200);
  const name = newName("library/image");
  const made = image();
  upstream.add(name, made, "1");
  const { manifests } = server.services.storage;
  const write = manifests.write.bind(manifests);
  Object.assign(manifests, {
    write: async (...given: Parameters<typeof write>) => {
      if (await isCached(server, old)) throw full();
      await write(...given);
    },
  });
  const { status, body } = await client.get(`/v2/${name}/manifests/1`);
  assert.equal(status, 200, body.toString());
  assert.ok(body.equals(made.bytes));
});

test("a blob above the bound is refused before it arrives, with the setting's name", async () => {
  const { server, client } = await newServer();
  const large = offer(16 * mebibyte + 1);
  const { status, body } = await client.get(large.path);
  assert.equal(status, 502);
  assert.match(body.toString(), /docker\.io.*proxy\.blobmib/);
  assert.equal(await isCached(server, large), false);
});

test("a blob without an end and without a size ends at the bound, and nothing is left of it", async () => {
  const { server, client } = await newServer();
  const lie = offer(10);
  let sent = 0;
  upstream.misbehave = ({ path }, response) => {
    if (path !== lie.path) return false;
    response.writeHead(200);
    const chunk = Buffer.alloc(mebibyte);
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent++;
    };
    response.on("drain", more);
    more();
    return true;
  };
  const { status } = await client.get(lie.path);
  upstream.misbehave = () => false;
  assert.equal(status, 502);
  assert.ok(sent < 64, `${sent} MiB`);
  assert.equal(await isCached(server, lie), false);
});
