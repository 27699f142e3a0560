/** crane pushes a multi-platform image, validates, tags, copies and pulls it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("crane");

test("crane: an index is pushed, validated, tagged, copied and pulled with one digest", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const crane = (...args: string[]) => run("crane", ["--insecure", ...args]);

  const layout = join(folder.path, "layout");
  const digest = await writeMultiPlatformImage(layout, uniqueText());
  const repository = `${registry.host}/crane/image`;
  await crane("push", "--index", layout, `${repository}:latest`);
  // crane wraps the layout's index.json; the original index is the one named there.
  const wrapped = await crane("digest", `${repository}:latest`);
  const remote = new Remote(registry.url, "crane/image");
  assert.equal((await remote.verify("latest")).digest, wrapped);
  assert.equal((await remote.verify(digest)).digest, digest);
  await crane("validate", "--remote", `${repository}@${digest}`);

  await crane("tag", `${repository}@${digest}`, "v1");
  assert.equal(await crane("digest", `${repository}:v1`), digest);
  assert.deepEqual((await crane("ls", repository)).split("\n").sort(), ["latest", "v1"]);

  await crane("copy", `${repository}:v1`, `${registry.host}/crane/copy:v1`);
  assert.equal((await new Remote(registry.url, "crane/copy").verify("v1")).digest, digest);
  assert.deepEqual((await crane("catalog", registry.host)).split("\n"), ["crane/copy", "crane/image"]);

  const back = join(folder.path, "back");
  await crane("pull", "--format=oci", `${registry.host}/crane/copy:v1`, back);
  assert.ok((await readFile(join(back, "index.json"), "utf8")).includes(digest));

  await crane("delete", `${repository}@${digest}`);
  await assert.rejects(crane("digest", `${repository}:v1`), /MANIFEST_UNKNOWN|404/);
});
