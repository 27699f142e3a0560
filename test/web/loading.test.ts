// The code of the pages is in memory before the first visitor comes.

import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { copyProgram } from "../support/program-copy.js";

test("pages load no code after the server is ready, except in their threads", async () => {
  await using program = await copyProgram();
  const settings = { REGISTRY_STORAGE_DELETE_ENABLED: "true" };
  await using gantry = await startGantry(settings, undefined, [process.execPath, program.entry]);
  const bundle = join(program.folder, "dist/bundle");
  for (const part of ["gantry.cjs", "packages"])
    await rename(join(bundle, part), join(bundle, `${part}.moved`));
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
});
