// A store with stray files: the server starts, serves the rest, names each once, and `gantry verify` lists all of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { assertError, Client } from "../support/client.js";
import { gantry, gantryProcess } from "../support/command.js";
import { blobOf, describe, image, types } from "../support/content.js";
import { startInside } from "../support/inside.js";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-odd-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Replaces a file by a folder that is not empty. */
async function replaceByFolder(path: string): Promise<void> {
  await rm(path);
  await mkdir(`${path}/inner`, { recursive: true });
}

async function replaceByFile(path: string): Promise<void> {
  await rm(path, { recursive: true });
  await writeFile(path, "a file");
}

const sound = { name: "sound/repo", image: image({ layers: 2 }) };
const attached = image({ subject: describe(sound.image) });
const odd = image({ layers: 2 });
const [oddConfig, oddLayer, oddLater] = odd.blobs;
const emptied = image();
const linked = image();

/** A store with an intact repository, surrounded by all kinds of stray files. */
async function oddStore(): Promise<string> {
  const root = await newFolder();
  const server = await startInside({}, root);
  const client = new Client(server.url);
  await client.pushImage(sound.name, sound.image, "latest");
  await client.pushImage(sound.name, attached);
  for (const tag of ["latest", "pointerless", "file", "folder"]) await client.pushImage("odd/repo", odd, tag);
  await client.pushImage("odd/repo", emptied, "emptied");
  await client.pushImage("odd/repo", linked);
  for (const name of ["file/repo", "tagless/repo"]) await client.pushImage(name, image(), "latest");
  await server.stop();
  const folder = `${root}/manifests/odd/repo`;
  assert.ok(oddConfig && oddLayer && oddLater);
  await replaceByFolder(`${root}/blobs/odd/repo/${oddConfig.digest}`);
  await unlink(`${root}/blobs/odd/repo/${oddLayer.digest}`);
  execFileSync("mkfifo", [`${root}/blobs/odd/repo/${oddLayer.digest}`]);
  await rename(`${folder}/${linked.digest}`, `${root}/elsewhere`);
  await symlink(`${root}/elsewhere`, `${folder}/${linked.digest}`);
  await writeFile(`${folder}/${emptied.digest}`, "");
  await writeFile(`${folder}/tags/pointerless/manifest.sha256`, "");
  await replaceByFolder(`${folder}/tags/folder/manifest.sha256`);
  await replaceByFile(`${folder}/tags/file`);
  await replaceByFile(`${root}/manifests/file`);
  await replaceByFile(`${root}/manifests/tagless/repo/tags`);
  await mkdir(`${folder}/${blobOf("x").digest}`);
  await writeFile(`${root}/blobs/sound/NOTES.txt`, "");
  await writeFile(`${root}/content/README`, "");
  await writeFile(`${root}/uploads/core.1234`, "");
  await mkdir(`${root}/docker/registry/v2/repositories`, { recursive: true });
  return root;
}

test("stray files are ignored, named once in the log, and hide nothing else", async () => {
  const root = await oddStore();
  await using server = await startInside({}, root);
  const client = new Client(server.url);
  const isServed = async () => {
    const base = `/v2/${sound.name}`;
    for (const reference of ["latest", sound.image.digest])
      assert.ok((await client.get(`${base}/manifests/${reference}`)).body.equals(sound.image.bytes));
    for (const { digest, bytes } of sound.image.blobs)
      assert.ok((await client.get(`${base}/blobs/${digest}`)).body.equals(bytes));
    const list = (await client.get(`${base}/referrers/${sound.image.digest}`)).json() as {
      manifests: unknown[];
    };
    assert.equal(list.manifests.length, 1);
  };
  await isServed();
  const { repositories } = (await client.get("/v2/_catalog")).json() as { repositories: string[] };
  assert.deepEqual(
    repositories.filter((name) => name !== "tagless/repo"),
    ["odd/repo", sound.name],
  );
  for (let round = 0; round < 2; round++) {
    for (const [path, code] of [
      [`/v2/odd/repo/blobs/${oddConfig?.digest}`, "BLOB_UNKNOWN"],
      [`/v2/odd/repo/blobs/${oddLayer?.digest}`, "BLOB_UNKNOWN"],
      [`/v2/odd/repo/manifests/${emptied.digest}`, "MANIFEST_UNKNOWN"],
      [`/v2/odd/repo/manifests/${blobOf("x").digest}`, "MANIFEST_UNKNOWN"],
      ["/v2/odd/repo/manifests/emptied", "MANIFEST_UNKNOWN"],
      ["/v2/odd/repo/manifests/pointerless", "MANIFEST_UNKNOWN"],
      ["/v2/odd/repo/manifests/folder", "MANIFEST_UNKNOWN"],
      ["/v2/odd/repo/manifests/file", "MANIFEST_UNKNOWN"],
      ["/v2/file/repo/manifests/latest", "MANIFEST_UNKNOWN"],
      ["/v2/file/repo/tags/list", "NAME_UNKNOWN"],
      ["/v2/tagless/repo/manifests/latest", "MANIFEST_UNKNOWN"],
    ] as const)
      assertError(await client.get(path), 404, code);
    assert.ok((await client.get("/v2/odd/repo/manifests/latest")).body.equals(odd.bytes));
    assert.equal((await client.get(`/v2/odd/repo/blobs/${oddLater?.digest}`)).status, 200);
  }
  const log = server.log();
  for (const path of ["docker", `blobs/odd/repo/${oddConfig?.digest}`, "tags/pointerless/manifest.sha256"])
    assert.equal(log.split(`${path}"`).length - 1, 1, `${path} is named once`);
  assert.match(log, /CNCF distribution/);
  assert.ok(!log.includes("request failed"), log);
  await client.pushImage(sound.name, image(), "next");
  await client.pushImage("odd/repo", emptied, "emptied");
  assert.ok((await client.get("/v2/odd/repo/manifests/emptied")).body.equals(emptied.bytes), "a push heals");
  await client.pushImage("odd/repo", image(), "pointerless");
  assert.equal((await client.get("/v2/odd/repo/manifests/pointerless")).status, 200);
  await isServed();
});

test("verify lists all stray files, quarantines those in the place of objects, and then everything can be pushed", async () => {
  const root = await oddStore();
  const first = await gantry(root, ["verify", "--json"]);
  assert.equal(first.code, 1, first.stderr);
  const { problems, odd: files } = first.json<VerifyReport>();
  const told = new Map(files.map(({ path, inTheWay }) => [path, inTheWay]));
  for (const [path, inTheWay] of [
    ["docker", false],
    ["blobs/sound/NOTES.txt", false],
    ["content/README", false],
    ["uploads/core.1234", false],
    ["manifests/file", true],
    ["manifests/tagless/repo/tags", true],
  ] as const)
    assert.equal(told.get(path), inTheWay, path);
  for (const { digest, tag } of [
    { digest: oddConfig?.digest },
    { digest: oddLayer?.digest },
    { digest: emptied.digest },
    { digest: blobOf("x").digest },
    { tag: "pointerless" },
    { tag: "folder" },
    { tag: "file" },
  ] as { digest?: string; tag?: string }[])
    assert.ok(
      problems.some((one) => one.remedy === "quarantined" && (tag ? one.tag === tag : one.digest === digest)),
      `${digest ?? tag} is quarantined`,
    );
  const whyOf = (digest: string) => problems.find((problem) => problem.digest === digest)?.what ?? "";
  assert.match(whyOf(linked.digest), /not a regular file but a symbolic link/);
  assert.match(whyOf(emptied.digest), /bytes do not have its digest/);
  assert.ok(!problems.some(({ repository }) => repository === sound.name));

  await using server = await startInside({}, root);
  const client = new Client(server.url);
  for (const name of ["odd/repo", "file/repo", "tagless/repo"])
    for (const tag of ["latest", "file", "folder"]) await client.pushImage(name, odd, tag);
  await client.pushImage("odd/repo", emptied, "emptied");
  const again = (await gantry(root, ["verify", "--json"])).json<VerifyReport>();
  assert.deepEqual(
    again.problems.filter(({ repository }) => repository !== "tagless/repo"),
    [],
  );
});

test("the collector skips unreadable objects, and removes nothing there", async () => {
  const root = await oddStore();
  const settings = { REGISTRY_GC_LEASE: "0s", REGISTRY_GC_UNTAGGED: "0s" };
  const ran = await gantry(root, ["gc", "--delete", "--json"], settings);
  assert.equal(ran.code, 1, ran.stderr);
  const { garbage } = ran.json<{
    garbage: { repositories: { name: string; blobs: string[]; manifests: string[]; skipped?: string }[] };
  }>();
  for (const name of ["odd/repo", "file/repo"]) {
    const found = garbage.repositories.find((one) => one.name === name);
    assert.ok(found?.skipped, name);
    assert.deepEqual([found.blobs, found.manifests], [[], []]);
  }
});

test("a server does not start if the store's folder is a file, and names it", async () => {
  const root = await newFolder();
  await writeFile(`${root}/blobs`, "");
  await assert.rejects(startInside({}, root), (error: Error) => /blobs is not a folder/.test(error.message));
});

/** Runs a system command; returns `false` if this machine does not permit it. */
function isDone(command: string, ...parameters: string[]): boolean {
  try {
    execFileSync(command, parameters, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("a read-only file system serves pulls, and pushes get the reason", async (context) => {
  const root = await newFolder();
  const writing = await startInside({}, root);
  await new Client(writing.url).pushImage(sound.name, sound.image, "latest");
  await writing.stop();
  const mounted = isDone("mount", "--bind", root, root) && isDone("mount", "-o", "remount,bind,ro", root);
  if (!mounted) return context.skip("this machine does not allow a bind mount");
  try {
    const server = await startInside({}, root);
    assert.match(server.log(), /read-only/);
    const client = new Client(server.url);
    assert.ok((await client.get(`/v2/${sound.name}/manifests/latest`)).body.equals(sound.image.bytes));
    for (const { digest, bytes } of sound.image.blobs)
      assert.ok((await client.get(`/v2/${sound.name}/blobs/${digest}`)).body.equals(bytes));
    const blob = blobOf(3000);
    const refused = [
      await client.request("POST", `/v2/new/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes }),
      await client.patch(await client.openUpload("new"), blob.bytes),
      await client.putManifest(sound.name, "next", sound.image.bytes, types.manifest),
      await client.delete(`/v2/${sound.name}/manifests/latest`),
    ];
    for (const answer of refused) {
      assertError(answer, 405, "UNSUPPORTED");
      assert.match(answer.body.toString(), /storage is read-only/);
    }
    await server.stop();
    const alone = await startInside({ REGISTRY_HTTP_PROCESSES: "2" }, root);
    assert.match(alone.log(), /one process serves instead of 2: .*read-only/);
    assert.equal((await new Client(alone.url).get("/readyz")).body.toString(), '{"status":"ready"}');
    await alone.stop();
    for (const name of ["stats", "verify"]) {
      const ran = await gantry(root, [name]);
      assert.equal(ran.code, 0, ran.stderr);
    }
  } finally {
    isDone("umount", root);
  }
});

test("a read-only store that lacks a folder says what to do", async (context) => {
  const root = await newFolder();
  await (await startInside({}, root)).stop();
  await rm(`${root}/blobs`, { recursive: true });
  const mounted = isDone("mount", "--bind", root, root) && isDone("mount", "-o", "remount,bind,ro", root);
  if (!mounted) return context.skip("this machine does not allow a bind mount");
  try {
    const said = /is incomplete, and the file system is read-only: start Gantry once on a writable one/;
    for (const name of ["stats", "gc", "verify", "serve"]) {
      const { code, stderr } = await gantry(root, [name], { REGISTRY_HTTP_ADDR: "127.0.0.1:0" });
      assert.equal(code, 1);
      assert.match(stderr, said);
    }
  } finally {
    isDone("umount", root);
  }
});

test("an unreadable file hides nothing else", async (context) => {
  const root = await newFolder();
  const server = await startInside({}, root);
  const client = new Client(server.url);
  await client.pushImage(sound.name, sound.image, "latest");
  await client.pushImage("secret/repo", odd, "latest");
  await server.stop();
  const user = "65534";
  if (!isDone("setpriv", "--reuid", user, "--clear-groups", "true"))
    return context.skip("this machine does not allow changing to another user");
  assert.ok(isDone("chown", "-R", user, root) && isDone("chown", "root", `${root}/manifests/secret`));
  assert.ok(isDone("chmod", "700", `${root}/manifests/secret`));
  const ran = await gantryProcess(root, ["verify", "--json"], {}, [
    "setpriv",
    "--reuid",
    user,
    "--clear-groups",
  ]);
  if (ran.code === 127 || ran.stdout === "") return context.skip(`this user cannot run node: ${ran.stderr}`);
  const { problems, manifests } = ran.json<VerifyReport>();
  assert.equal(manifests, 1);
  assert.ok(
    problems.some(({ repository, what }) => repository === "secret/repo" && /cannot be read/.test(what)),
  );
});
