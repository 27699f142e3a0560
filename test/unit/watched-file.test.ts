// A file that is watched: how it may be changed, and what happens where it is broken or gone.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/errors.js";
import { watchFile } from "../../src/config/watched-file.js";
import { eventually } from "../support/store.js";

/** A folder of its own, the file in it being watched: texts in use and what was said, in order. */
async function watched(path?: (folder: string) => Promise<string>) {
  const folder = await mkdtemp(join(tmpdir(), "gantry-watched-"));
  const file = path === undefined ? join(folder, "file") : await path(folder);
  if (path === undefined) await writeFile(file, "one");
  const used: string[] = [];
  const told: string[] = [];
  const watch = await watchFile({
    path: file,
    use: (text) => {
      if (text.startsWith("broken")) throw new Error(`${text} is broken`);
      used.push(text);
    },
    onReload: () => told.push("reloaded"),
    onBroken: ({ message }) => told.push(message),
    lookEveryMilliseconds: 2,
  });
  after(async () => {
    watch.close();
    await rm(folder, { recursive: true, force: true });
  });
  const says = (count: number) =>
    eventually(`${count} things said`, () => (told.length >= count ? told : undefined));
  return { folder, file, used, told, says };
}

test("a file that is written anew is used", async () => {
  const { file, used, told, says } = await watched();
  await writeFile(file, "two");
  await says(1);
  assert.deepEqual([used, told], [["one", "two"], ["reloaded"]]);
});

test("a file in whose place another is put is used, be it as old and as long as the first", async () => {
  const { file, used, says } = await watched();
  await writeFile(`${file}.new`, "two");
  await rename(`${file}.new`, file);
  await says(1);
  assert.deepEqual(used, ["one", "two"]);
});

test("a folder's symbolic link that turns, as Kubernetes mounts secrets, is followed", async () => {
  const { folder, used, says } = await watched(async (folder) => {
    for (const text of ["one", "two"]) {
      await mkdir(`${folder}/..${text}`);
      await writeFile(`${folder}/..${text}/file`, text);
    }
    await symlink("..one", `${folder}/..data`);
    await symlink("..data/file", `${folder}/file`);
    return `${folder}/file`;
  });
  await symlink("..two", `${folder}/..new`);
  await rename(`${folder}/..new`, `${folder}/..data`);
  await says(1);
  assert.deepEqual(used, ["one", "two"]);
});

test("a broken file leaves what was used, is told of once, and is used when it is mended", async () => {
  const { file, used, told, says } = await watched();
  await writeFile(file, "broken");
  await says(1);
  await writeFile(file, "two");
  await says(2);
  assert.deepEqual(used, ["one", "two"]);
  assert.deepEqual(told, [`${file}: broken is broken`, "reloaded"]);
});

test("a file that has gone leaves what was used, is told of once, and each time", async () => {
  const { file, used, told, says } = await watched();
  await unlink(file);
  await says(1);
  await writeFile(file, "two");
  await says(2);
  await unlink(file);
  await says(3);
  assert.deepEqual(used, ["one", "two"]);
  assert.match(told[0] ?? "", /ENOENT/);
  assert.equal(told[1], "reloaded");
  assert.equal(told[2], told[0]);
});

test("a folder in the file's place, or what is far too large, is told of and leaves what was used", async () => {
  const { file, used, told, says } = await watched();
  await truncate(file, 17 * 1024 * 1024);
  await says(1);
  assert.match(told[0] ?? "", /larger than/);
  await unlink(file);
  await mkdir(file);
  await eventually("the folder is told of", () => told.find((message) => /not a file|EISDIR/.test(message)));
  assert.deepEqual(used, ["one"]);
});

for (const [what, prepare, said] of [
  ["that is not there", async () => {}, /ENOENT/],
  ["that is broken", (file: string) => writeFile(file, "broken"), /broken is broken/],
] as const) {
  test(`a file ${what} at the start is a setting that is wrong`, async () => {
    await assert.rejects(
      watched(async (folder) => {
        after(() => rm(folder, { recursive: true, force: true }));
        await prepare(join(folder, "file"));
        return join(folder, "file");
      }),
      (error) => error instanceof ConfigError && said.test(error.message) && error.message.includes("/file"),
    );
  });
}
