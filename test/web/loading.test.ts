// The code of the pages is in memory before the first visitor comes.

import assert from "node:assert/strict";
import { cp, mkdtemp, realpath, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { cli } from "../support/cli.js";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { startGantry } from "../support/gantry.js";

/** Copies the program without its packages, which are linked, and returns its folder. */
async function copyProgram(folder: string): Promise<string> {
  const entry = await realpath(cli);
  const program = dirname(dirname(dirname(entry)));
  for (const part of ["package.json", "dist/src", "dist/workers"])
    await cp(join(program, part), join(folder, part), { recursive: true });
  const somePackage = dirname(createRequire(entry).resolve("uWebSockets.js/package.json"));
  await symlink(dirname(somePackage), join(folder, "node_modules"));
  return folder;
}

test("pages load no code after the server is ready", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-loading-"));
  try {
    const program = await copyProgram(folder);
    const settings = { REGISTRY_STORAGE_DELETE_ENABLED: "true" };
    await using gantry = await startGantry(settings, undefined, [
      process.execPath,
      join(program, "dist/src/gantry.cjs"),
    ]);
    await rename(join(program, "dist/src/http"), join(program, "dist/src/moved"));
    const client = new Client(gantry.url);
    await client.pushImage("app", image(), "v1");
    const answers: Record<string, number> = {};
    for (const path of [
      "/",
      "/ui/",
      "/ui/r/app/_tags",
      "/ui/r/app/_image/v1",
      "/ui/r/app/_image/v1?show=manifest",
      "/ui/r/app/_history/v1",
      "/ui/r/app/_removed",
      "/ui/r/app/_untagged",
      "/ui/r/app/_delete?tag=v1",
      "/ui/upstreams",
      "/ui/activity",
      "/ui/login",
      "/ui/robots",
      "/ui/r/app/_image/missing",
    ])
      answers[path] = (await client.get(path)).status;
    const broken = Object.entries(answers).filter(([, status]) => status >= 500);
    assert.deepEqual(broken, []);
    assert.equal(answers["/ui/r/app/_image/v1"], 200);
    assert.equal(answers["/ui/r/app/_image/missing"], 404);
  } finally {
    await rm(folder, { recursive: true });
  }
});
