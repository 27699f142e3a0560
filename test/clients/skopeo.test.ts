/** skopeo copies a multi-platform image to, within and from the registry, and lists and deletes it there. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("skopeo");

test("skopeo: a multi-platform image keeps its digest when copied to, within and from the registry", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const skopeo = (...args: string[]) => run("skopeo", ["--insecure-policy", ...args]);
  const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];

  const layout = join(folder.path, "layout");
  const digest = await writeMultiPlatformImage(layout, uniqueText());
  const image = `docker://${registry.host}/skopeo/image:latest`;
  await skopeo("copy", "--all", "--dest-tls-verify=false", `oci:${layout}:latest`, image);
  const pushed = await new Remote(registry.url, "skopeo/image").verify("latest");
  assert.equal(pushed.digest, digest);
  assert.equal(
    pushed.compared,
    1 + 3 * 4,
    "an index, and three images of a manifest, a config and two layers",
  );

  const copy = `docker://${registry.host}/skopeo/a/longer/name:v1`;
  await skopeo("copy", "--all", ...insecure, image, copy);
  assert.equal((await new Remote(registry.url, "skopeo/a/longer/name").verify("v1")).digest, digest);

  const back = join(folder.path, "back");
  await skopeo("copy", "--all", "--src-tls-verify=false", copy, `oci:${back}:latest`);
  assert.ok((await readFile(join(back, "index.json"), "utf8")).includes(digest));

  const tags = await skopeo("list-tags", "--tls-verify=false", `docker://${registry.host}/skopeo/image`);
  assert.deepEqual(JSON.parse(tags).Tags, ["latest"]);
  await skopeo("delete", "--tls-verify=false", image);
  await assert.rejects(skopeo("inspect", "--raw", "--tls-verify=false", image), /manifest unknown/);
});
