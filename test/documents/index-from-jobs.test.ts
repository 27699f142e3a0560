/** The example in docs/operating.md for jobs that add to one index, run by several concurrent jobs. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { serve } from "../support/client.js";
import { describe, image, index } from "../support/content.js";
import { exampleOf } from "./page.js";

test("concurrent jobs that add to an index all find their image in it", {
  skip: needs("curl", "jq"),
}, async () => {
  const { client, gantry } = await serve();
  await using folder = await temporaryFolder();
  const written = await exampleOf("docs/operating.md", "Changing a tag from several jobs", "url=");
  const script = written.replace("http://localhost:5000", gantry.url).replace("sleep 1", "sleep 0.1");
  assert.notEqual(script, written);
  const images = Array.from({ length: 5 }, () => image());
  for (const one of images) await client.pushImage("team/app", one);
  await client.pushImage("team/app", index([]), "latest");
  await Promise.all(
    images.map(async (one) => {
      const cwd = join(folder.path, one.digest.slice(7, 20));
      await mkdir(cwd);
      await writeFile(join(cwd, "descriptor.json"), JSON.stringify(describe(one)));
      await run("sh", ["-c", `cd ${cwd} && ${script}`]);
    }),
  );
  const { manifests } = (await client.get("/v2/team/app/manifests/latest")).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(manifests.map(({ digest }) => digest).sort(), images.map(({ digest }) => digest).sort());
});
