/**
 * flux pushes manifests of a cluster as an artifact, with a login, tags and lists it, and pulls what it pushed.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { uniqueText } from "./images.js";
import { startPrivateRegistry } from "./private-registry.js";
import { needs, temporaryFolder } from "./support.js";

const skip = needs("flux");
const files = await LoginFiles.make();

test("flux: an artifact is pushed, tagged, listed and pulled", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startPrivateRegistry(files, folder.path);
  const repository = `oci://${registry.host}/clusters/staging`;
  const env = { HOME: folder.path };
  const flux = (...args: string[]) => registry.run("flux", args, { env });
  const source = join(folder.path, "source");
  await mkdir(source);
  const names = ["v1.0.0", "v1.1.0"];
  const texts = new Map<string, string>();
  const labels = (name: string) => ["https://example.com/staging", `${name}@sha1:abc`];
  const push = (name: string) => {
    const [from = "", revision = ""] = labels(name);
    const about = ["--source", from, "--revision", revision];
    return ["push", "artifact", `${repository}:${name}`, "--path", source, ...about, "--insecure-registry"];
  };
  for (const name of names) {
    texts.set(name, `kind: ConfigMap\n# ${uniqueText()}\n`);
    await writeFile(join(source, "map.yaml"), texts.get(name) ?? "");
    await flux(...push(name));
  }
  const remote = registry.remote("clusters/staging");
  for (const name of names) await remote.verify(name);
  await flux("tag", "artifact", `${repository}:v1.0.0`, "--tag=stable");
  assert.equal(await remote.digest("stable"), await remote.digest("v1.0.0"));

  const listed = await flux(
    "list",
    "artifacts",
    repository,
    "--filter-semver=>=1.1.0",
    "--insecure-registry",
  );
  const rows = listed
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s+/));
  assert.deepEqual(rows, [
    [`${registry.host}/clusters/staging:v1.1.0`, await remote.digest("v1.1.0"), ...labels("v1.1.0")],
  ]);
  for (const [tag, name] of [
    ["stable", "v1.0.0"],
    ["v1.1.0", "v1.1.0"],
  ] as const) {
    const to = join(folder.path, tag);
    await mkdir(to);
    await flux("pull", "artifact", `${repository}:${tag}`, "--output", to, "--insecure-registry");
    assert.equal(await readFile(join(to, "map.yaml"), "utf8"), texts.get(name));
  }
  await assert.rejects(registry.runWithoutLogin("flux", push("refused"), { env }), /401 Unauthorized/);
  await assert.rejects(remote.digest("refused"), /404/);
});
