// The redo journal: what a power failure takes of files that were not synced, the next server writes again from the records.
// The failure is simulated: the server is killed, and any part of what it has written beside the journal is taken away.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Fault } from "../faults/inject.js";
import { injecting } from "../faults/support.js";
import { Client } from "../support/client.js";
import { blobOf, describe, type Image, image, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { newRoot } from "../support/new-root.js";

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const settings = { REGISTRY_UPLOADS_WORKERS: "2", REGISTRY_GC_INTERVAL: "0s" };

function start(root: string, more: GantrySettings = {}): Promise<Gantry> {
  return startGantry({ ...settings, ...more }, root);
}

/** Everything below the folders whose files are not synced by a small push. */
const unsynced = ["blobs", "manifests", "content"];

async function takeAll(root: string): Promise<void> {
  for (const folder of unsynced) await rm(join(root, folder), { recursive: true, force: true });
}

type Fate = "stays" | "is lost" | "is empty" | "has zeros";
const fates: readonly Fate[] = ["stays", "is lost", "is empty", "has zeros"];

/** Each name and each file gets a fate of its own, as the file system may have written any of them. */
async function takeSome(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await takeSome(path);
      if (randomInt(2) === 0) await rmdir(path).catch(() => {});
      continue;
    }
    const fate = fates[randomInt(fates.length)];
    const { size } = await stat(path);
    if (fate === "is lost") await unlink(path);
    if (fate === "is empty") await truncate(path, 0);
    if (fate === "has zeros") await writeFile(path, Buffer.alloc(size));
  }
}

/** What clients have been told. */
class Pushed {
  readonly name = newName();
  readonly image = image({ layers: 2 });
  readonly moved = image();
  readonly deleted = image();
  readonly referrer: Image;
  readonly deletedBlob = blobOf(500);
  readonly large = blobOf(600_000);
  readonly mounted = newName();

  constructor(readonly client: Client) {
    this.referrer = image({ subject: describe(this.image) });
  }

  async push(): Promise<void> {
    const { client, name } = this;
    await Promise.all([
      client.pushImage(name, this.image, "first"),
      client.pushImage(name, this.image, "second"),
      client.pushImage(name, this.deleted, "gone"),
      client.pushBlobs(name, this.deletedBlob, this.large),
    ]);
    await client.pushImage(name, this.moved, "first");
    await client.pushImage(name, this.referrer);
    const [layer] = this.image.blobs;
    const mount = await client.request(
      "POST",
      `/v2/${this.mounted}/blobs/uploads/?mount=${layer?.digest}&from=${name}`,
    );
    assert.equal(mount.status, 201);
    assert.equal((await client.delete(`/v2/${name}/manifests/gone`)).status, 202);
    assert.equal((await client.delete(`/v2/${name}/manifests/${this.deleted.digest}`)).status, 202);
    assert.equal((await client.delete(`/v2/${name}/blobs/${this.deletedBlob.digest}`)).status, 202);
  }

  /** `synced`: whether what was synced without the journal is still there. */
  async check(url: string, synced: boolean): Promise<void> {
    const client = new Client(url);
    const { name } = this;
    const text = async (path: string) => (await client.get(`/v2/${name}${path}`)).body;
    assert.ok((await text("/manifests/first")).equals(this.moved.bytes), "the moved tag");
    assert.ok((await text("/manifests/second")).equals(this.image.bytes), "the tag");
    for (const { digest, bytes } of [
      ...this.image.blobs,
      ...this.moved.blobs,
      ...(synced ? [this.large] : []),
    ])
      assert.ok((await text(`/blobs/${digest}`)).equals(bytes), `the blob ${digest}`);
    const referrers = (await client.get(`/v2/${name}/referrers/${this.image.digest}`)).json() as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      referrers.manifests.map(({ digest }) => digest),
      [this.referrer.digest],
    );
    const [layer] = this.image.blobs;
    if (synced)
      assert.ok(
        (await client.get(`/v2/${this.mounted}/blobs/${layer?.digest}`)).body.equals(
          layer?.bytes ?? Buffer.of(),
        ),
        "the mounted blob",
      );
    assert.deepEqual((await client.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["first", "second"] });
    for (const path of [
      `manifests/gone`,
      `manifests/${this.deleted.digest}`,
      `blobs/${this.deletedBlob.digest}`,
    ])
      assert.equal((await client.head(`/v2/${name}/${path}`)).status, 404, path);
  }
}

async function crashed(root: string): Promise<Pushed> {
  const gantry = await start(root);
  const pushed = new Pushed(new Client(gantry.url));
  await pushed.push();
  await gantry.kill();
  return pushed;
}

test("all that small pushes have written can be lost with the power, and is there again", async () => {
  const root = await newRoot();
  const pushed = await crashed(root);
  await takeAll(root);
  await using gantry = await start(root);
  await pushed.check(gantry.url, false);
  assert.match(gantry.log(), /changes that a crash had left in the journal were completed/);
});

for (let round = 1; round <= 3; round++)
  test(`any part of what small pushes have written can be lost, round ${round}`, async () => {
    const root = await newRoot();
    const pushed = await crashed(root);
    for (const folder of unsynced) await takeSome(join(root, folder));
    await using gantry = await start(root);
    await pushed.check(gantry.url, false);
  });

test("a kill without a power failure loses nothing, and the next start has nothing left to do", async () => {
  const root = await newRoot();
  const pushed = await crashed(root);
  const first = await start(root);
  await pushed.check(first.url, true);
  await first.stop();
  await using second = await start(root);
  await pushed.check(second.url, true);
  assert.doesNotMatch(second.log(), /in the journal were completed/);
});

test("a server that is killed while it repeats the changes leaves them to the next one", async () => {
  const root = await newRoot();
  const pushed = await crashed(root);
  await takeAll(root);
  const planFile = `${root}-fault.json`;
  for (const after of [0, 2, 5]) {
    const fault: Fault = { call: "rename", code: "KILL", path: "/(blobs|manifests|content)/", after };
    await writeFile(planFile, JSON.stringify(fault));
    await assert.rejects(start(root, { NODE_OPTIONS: injecting, GANTRY_TEST_FAULT: planFile }));
  }
  await using gantry = await start(root);
  await pushed.check(gantry.url, false);
});

test("a start on a full disk leaves the changes to the next one, and nothing else", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-journal-"));
  folders.push(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    return context.skip("no small file system can be mounted here");
  }
  try {
    const root = join(folder, "store");
    const pushed = await crashed(root);
    await takeAll(root);
    const filler = join(folder, "filler");
    execFileSync("sh", ["-c", `cat /dev/zero > ${filler} 2>/dev/null || true`]);
    for (let time = 0; time < 2; time++) {
      await assert.rejects(
        start(root),
        /the changes in .*journal.* cannot be completed: free space .*do not remove that folder.*ENOSPC/s,
      );
      assert.deepEqual(await readdir(join(root, "uploads")), []);
    }
    // What an interrupted push has left is removed first.
    await rename(filler, join(root, "uploads", "left.tmp"));
    await using gantry = await start(root);
    await pushed.check(gantry.url, false);
  } finally {
    execFileSync("umount", ["--lazy", folder]);
  }
});

test("without the journal, what a crash has left in it is completed first, and it is removed", async () => {
  const root = await newRoot();
  const pushed = await crashed(root);
  await takeAll(root);
  const without = await start(root, { REGISTRY_STORAGE_FILESYSTEM_JOURNAL: "false" });
  await pushed.check(without.url, false);
  await without.stop();
  assert.deepEqual(await readdir(join(root, "journal")), []);
  await using again = await start(root);
  await pushed.check(again.url, false);
});

test("damage in the middle of the journal is reported, and what follows it is not lost", async () => {
  const root = await newRoot();
  const gantry = await start(root, { REGISTRY_UPLOADS_WORKERS: "1" });
  const client = new Client(gantry.url);
  const name = newName();
  const blobs = [blobOf(1000), blobOf(1000), blobOf(1000)];
  for (const blob of blobs) await client.pushBlobs(name, blob);
  await gantry.kill();
  await takeAll(root);
  const segment = join(root, "journal", "0-a");
  const at = (await readFile(segment)).indexOf(blobs[1]?.bytes ?? "");
  const handle = await open(segment, "r+");
  await handle.write("damage", at + 100);
  await handle.close();
  await using again = await start(root);
  const found = await Promise.all(
    blobs.map(async ({ digest }) => (await new Client(again.url).head(`/v2/${name}/blobs/${digest}`)).status),
  );
  assert.deepEqual(found, [200, 404, 200]);
  assert.match(again.log(), /journal\/0-a.*damaged/);
  assert.deepEqual(await readdir(join(root, "quarantine", "journal")), ["0-a"]);
});
