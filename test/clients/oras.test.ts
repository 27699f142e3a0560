/**
 * oras pushes files as an artifact, attaches another to it, discovers that and pulls both.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("oras");

test("oras: artifacts are pushed, attached, discovered, copied and pulled", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const oras = (...args: string[]) =>
    run("oras", args, { cwd: folder.path, env: { DOCKER_CONFIG: folder.path } });
  const [text, note] = [uniqueText(), uniqueText()];
  await writeFile(join(folder.path, "text"), text);
  await writeFile(join(folder.path, "note"), note);

  const artifact = `${registry.host}/oras/artifact:v1`;
  const remote = new Remote(registry.url, "oras/artifact");
  await oras("push", "--plain-http", "--artifact-type", "application/vnd.example.text", artifact, "text");
  const pushed = await remote.verify("v1");

  await oras("attach", "--plain-http", "--artifact-type", "application/vnd.example.note", artifact, "note");
  const discovered = JSON.parse(await oras("discover", "--plain-http", "--format=json", artifact));
  const digests = discovered.referrers.map((referrer: { digest: string }) => referrer.digest);
  assert.deepEqual(await remote.referrers(pushed.digest), digests);

  for (const [reference, file, content] of [
    ["v1", "text", text],
    [digests[0], "note", note],
  ]) {
    const separator = reference.includes(":") ? "@" : ":";
    const source = `${registry.host}/oras/artifact${separator}${reference}`;
    await oras("pull", "--plain-http", "--output", `pulled-${file}`, source);
    assert.equal(await readFile(join(folder.path, `pulled-${file}`, file), "utf8"), content);
  }

  const layout = join(folder.path, "layout");
  const digest = await writeMultiPlatformImage(layout, uniqueText());
  const image = `${registry.host}/oras/image:latest`;
  await oras("cp", "--from-oci-layout", "--to-plain-http", `${layout}:latest`, image);
  assert.equal((await new Remote(registry.url, "oras/image").verify("latest")).digest, digest);
  assert.equal(await oras("repo", "tags", "--plain-http", `${registry.host}/oras/image`), "latest");
  await oras("manifest", "delete", "--plain-http", "--force", image);
  await assert.rejects(oras("manifest", "fetch", "--plain-http", image), /not found/);
});
