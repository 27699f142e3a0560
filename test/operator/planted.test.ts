// One store in which every repository is damaged differently, or has planted files, between intact ones: each command
// reports it and continues, nothing that the damage may name is collected, and no link is followed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  access,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { type Blob, blobOf, descriptorOf, type Image, image, types } from "../support/content.js";
import { startInside } from "../support/inside.js";

interface Repository {
  readonly name: string;
  /** Tagged as `v1`, and as `old`, which retention removes. */
  readonly made: Image;
  readonly untagged: Image;
  readonly unnamed: Blob;
  readonly layer: Blob;
}

/** Paths of a repository's parts in the store. */
interface Places {
  readonly manifests: string;
  readonly blobs: string;
  readonly tag: string;
  readonly pointer: string;
  readonly manifest: string;
  /** Like it, for an intact one. */
  readonly elsewhere: Pick<Places, "manifests" | "blobs" | "tag" | "pointer">;
}

async function replaced(path: string, by: (path: string) => unknown): Promise<void> {
  await rm(path, { recursive: true });
  await by(path);
}

/** Sockets of a process that has ended remain as files. */
function plantSocket(path: string): Promise<void> {
  return new Promise((resolve) => {
    // A socket's path may have at most 107 characters.
    const short = join(tmpdir(), `gantry-socket-${process.pid}`);
    const server = createServer().listen(short, async () => {
      await rename(short, path);
      server.close(() => resolve());
    });
  });
}

/** The damage done to a repository, by its name. `keeps`: whether a tag is unreadable, so that all manifests are kept. */
const damages: Readonly<
  Record<string, { readonly keeps: boolean; readonly plant: (places: Places) => Promise<unknown> }>
> = {
  "pointer-loop": { keeps: true, plant: ({ pointer }) => replaced(pointer, (path) => symlink(path, path)) },
  "pointer-link": {
    keeps: true,
    plant: ({ pointer, elsewhere }) => replaced(pointer, (path) => symlink(elsewhere.pointer, path)),
  },
  "pointer-folder": { keeps: true, plant: ({ pointer }) => replaced(pointer, (path) => mkdir(path)) },
  "pointer-missing": { keeps: true, plant: ({ pointer }) => rm(pointer) },
  "pointer-empty": { keeps: true, plant: ({ pointer }) => truncate(pointer) },
  "pointer-short": { keeps: true, plant: ({ pointer }) => truncate(pointer, 20) },
  "pointer-garbage": { keeps: true, plant: ({ pointer }) => writeFile(pointer, "latest\n") },
  "pointer-huge": { keeps: true, plant: ({ pointer }) => truncate(pointer, 3_000_000_000) },
  "pointer-pipe": {
    keeps: true,
    plant: ({ pointer }) => replaced(pointer, (path) => execFileSync("mkfifo", [path])),
  },
  "pointer-socket": { keeps: true, plant: ({ pointer }) => replaced(pointer, plantSocket) },
  "pulled-loop": { keeps: true, plant: ({ tag }) => symlink("pulled", `${tag}/pulled`) },
  "tag-link": {
    keeps: true,
    plant: ({ tag, elsewhere }) => replaced(tag, (path) => symlink(elsewhere.tag, path)),
  },
  "tag-file": { keeps: true, plant: ({ tag }) => replaced(tag, (path) => writeFile(path, "")) },
  "tags-loop": {
    keeps: true,
    plant: ({ manifests }) => replaced(`${manifests}/tags`, (path) => symlink(path, path)),
  },
  "tags-link": {
    keeps: true,
    plant: ({ manifests, elsewhere }) =>
      replaced(`${manifests}/tags`, (path) => symlink(`${elsewhere.manifests}/tags`, path)),
  },
  "tags-file": {
    keeps: true,
    plant: ({ manifests }) => replaced(`${manifests}/tags`, (path) => writeFile(path, "")),
  },
  "tags-missing": { keeps: true, plant: ({ manifests }) => rm(`${manifests}/tags`, { recursive: true }) },
  "manifests-loop": {
    keeps: false,
    plant: ({ manifests }) => replaced(manifests, (path) => symlink(path, path)),
  },
  "manifests-link": {
    keeps: false,
    plant: ({ manifests, elsewhere }) => replaced(manifests, (path) => symlink(elsewhere.manifests, path)),
  },
  "manifest-link": {
    keeps: true,
    plant: async ({ manifest }) => {
      await cp(manifest, `${outside}/manifest`);
      await replaced(manifest, (path) => symlink(`${outside}/manifest`, path));
    },
  },
  "manifest-short": { keeps: true, plant: ({ manifest }) => truncate(manifest, 20) },
  "manifest-folder": { keeps: true, plant: ({ manifest }) => replaced(manifest, (path) => mkdir(path)) },
  "blobs-loop": { keeps: false, plant: ({ blobs }) => replaced(blobs, (path) => symlink(path, path)) },
  "blobs-link": {
    keeps: false,
    plant: ({ blobs, elsewhere }) => replaced(blobs, (path) => symlink(elsewhere.blobs, path)),
  },
};

const outside = await mkdtemp(join(tmpdir(), "gantry-outside-"));
const root = await mkdtemp(join(tmpdir(), "gantry-planted-"));
after(() => Promise.all([outside, root].map((folder) => rm(folder, { recursive: true, force: true }))));
const policy = `${outside}/policy.json`;
await writeFile(
  policy,
  JSON.stringify({ retention: [{ repositories: "**", tags: "old", keepPushedWithin: "0s" }] }),
);
const settings = { REGISTRY_GC_LEASE: "0s", REGISTRY_GC_INTERVAL: "0s", REGISTRY_TAGS_POLICY: policy };

async function push(client: Client, name: string): Promise<Repository> {
  const [layer, unnamed] = [blobOf(100_000), blobOf(1000)];
  await client.pushBlobs(name, layer, unnamed);
  const made = image({ layers: [descriptorOf(layer, types.layer)] });
  for (const tag of ["v1", "old"]) await client.pushImage(name, made, tag);
  const untagged = image();
  await client.pushImage(name, untagged);
  return { name, made, untagged, unnamed, layer };
}

function placesOf({ name, made }: Repository, elsewhere: Places["elsewhere"]): Places {
  const manifests = `${root}/manifests/${name}`;
  const tag = `${manifests}/tags/v1`;
  const pointer = `${tag}/manifest.sha256`;
  return {
    manifests,
    blobs: `${root}/blobs/${name}`,
    tag,
    pointer,
    manifest: `${manifests}/${made.digest}`,
    elsewhere,
  };
}

const writing = await startInside(settings, root);
const pushing = new Client(writing.url);
const sound = await Promise.all(["a/first", "pointer-m/middle", "z/last"].map((name) => push(pushing, name)));
const other = sound[0];
assert.ok(other !== undefined);
const damaged = new Map<string, Repository>();
for (const name of Object.keys(damages)) damaged.set(name, await push(pushing, name));
const linked = await push(pushing, "linked/blob");
await writing.stop();
const elsewhere = placesOf(other, {} as Places);
for (const [name, repository] of damaged) await damages[name]?.plant(placesOf(repository, elsewhere));
await cp(`${root}/blobs/${linked.name}/${linked.layer.digest}`, `${outside}/layer`);
for (const path of [
  `${root}/blobs/${linked.name}/${linked.layer.digest}`,
  `${root}/content/sha256/${linked.layer.digest.slice(7, 9)}/${linked.layer.digest.slice(7)}`,
])
  await replaced(path, (place) => symlink(`${outside}/layer`, place));

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

const served = (name: string, path: string) => `/v2/${name}/${path}`;

test("a server starts on it and serves intact content, without following links", async () => {
  await using server = await startInside(settings, root);
  const client = new Client(server.url);
  const catalog = (await client.get("/v2/_catalog?n=1000")).json() as { repositories: string[] };
  for (const { name, made, layer } of sound) {
    assert.ok(catalog.repositories.includes(name), name);
    assert.ok((await client.get(served(name, "manifests/v1"))).body.equals(made.bytes));
    assert.ok((await client.get(served(name, `blobs/${layer.digest}`))).body.equals(layer.bytes));
    assert.deepEqual((await client.get(served(name, "tags/list"))).json(), { name, tags: ["old", "v1"] });
  }
  for (const name of damaged.keys()) {
    if (name.startsWith("blobs-") || name === "pulled-loop") continue;
    const answer = await client.get(served(name, "manifests/v1"));
    assert.equal(answer.status, 404, `${name}: ${answer.body.toString()}`);
  }
  const path = served(linked.name, `blobs/${linked.layer.digest}`);
  const wanted = other.layer.digest;
  for (const one of [
    path,
    served("blobs-link", `blobs/${wanted}`),
    served("blobs-loop", `blobs/${wanted}`),
  ]) {
    assert.equal((await client.get(one)).status, 404, one);
    assert.equal((await client.head(one)).status, 404, one);
  }
  const byLink = served("manifests-link", `manifests/${other.made.digest}`);
  assert.equal((await client.get(byLink)).status, 404);
  const naming = image({ layers: [descriptorOf(linked.layer, types.layer)] });
  await client.pushBlobs(linked.name, ...naming.blobs);
  const answer = await client.putManifest(linked.name, "naming", naming.bytes, types.manifest);
  assert.equal(answer.status, 400, "an object behind a link is missing");
  const mounted = await client.request(
    "POST",
    served("mounting/it", `blobs/uploads/?mount=${linked.layer.digest}&from=${linked.name}`),
    { body: "" },
  );
  assert.equal(mounted.status, 202);
  await client.pushBlobs(linked.name, linked.layer);
  assert.ok((await client.get(path)).body.equals(linked.layer.bytes), "a push replaces the link");
  assert.ok((await readFile(`${outside}/layer`)).equals(linked.layer.bytes), "and leaves the link's target");
  assert.doesNotMatch(server.log(), /request failed/);
});

test("stats reports all intact content", async () => {
  const ran = await gantry(root, ["stats", "--json"], settings);
  const { repositories } = ran.json<{ repositories: { name: string; tags: number }[] }>();
  for (const { name } of sound)
    assert.equal(repositories.find((one) => one.name === name)?.tags, 2, ran.stderr);
});

test("an export has all intact content, and reports unreadable content", async () => {
  const ran = await gantry(root, ["export", "--json", "**:v1", `${outside}/layout`], settings);
  assert.equal(ran.code, 1, ran.stderr);
  const { problems } = ran.json<{ problems: { repository: string }[] }>();
  const layout = await readFile(`${outside}/layout/index.json`, "utf8");
  for (const { made } of sound) assert.ok(layout.includes(made.digest), ran.stdout);
  for (const name of ["pointer-loop", "pointer-pipe", "manifest-short"])
    assert.ok(
      problems.some(({ repository }) => repository === name),
      name,
    );
});

test("a collection with retention continues, and removes nothing that the damage may name", async () => {
  const ran = await gantry(root, ["gc", "--delete", "--untagged", "0s", "--json"], settings);
  assert.equal(ran.code, 1, ran.stderr);
  const { garbage, retention } = ran.json<{
    garbage: { repositories: { name: string; skipped?: string }[] };
    retention: { unread: { name: string }[] };
  }>();
  for (const { name, untagged, unnamed, made } of sound) {
    assert.equal(await isThere(`${root}/manifests/${name}/${untagged.digest}`), false, name);
    assert.equal(await isThere(`${root}/blobs/${name}/${unnamed.digest}`), false, name);
    assert.equal(await isThere(`${root}/manifests/${name}/tags/old`), false, name);
    assert.equal(await isThere(`${root}/manifests/${name}/${made.digest}`), true, name);
  }
  for (const [name, { made, untagged, layer }] of damaged) {
    const manifests = `${root}/manifests/${name}`;
    if (damages[name]?.keeps) {
      assert.ok(await isThere(`${manifests}/${untagged.digest}`), `${name}: possible target of its tag`);
      assert.ok((await isThere(`${manifests}/${made.digest}`)) || name === "manifest-folder", name);
    }
    if (!name.startsWith("blobs-"))
      assert.ok(
        await isThere(`${root}/blobs/${name}/${layer.digest}`),
        `${name}: possible content of its manifest`,
      );
    assert.ok(
      garbage.repositories.some((one) => one.name === name && one.skipped !== undefined) ||
        retention.unread.some((one) => one.name === name) ||
        !damages[name]?.keeps,
      `${name} is named`,
    );
  }
});

test("verify reports every damage, and quarantines it", async () => {
  const ran = await gantry(root, ["verify", "--json"], settings);
  assert.equal(ran.code, 1, ran.stderr);
  const { problems, odd, hurtTags } = ran.json<VerifyReport>();
  const told = JSON.stringify([problems, odd, hurtTags]);
  for (const name of damaged.keys()) {
    if (["pulled-loop", "tags-missing"].includes(name)) continue;
    assert.ok(told.includes(name), `${name} is named`);
  }
  for (const { name } of sound) assert.ok(!problems.some(({ repository }) => repository === name), name);
});
