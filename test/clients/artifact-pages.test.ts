/**
 * The pages of artifacts as real clients push them: helm's chart, files of oras, signatures and attestations of cosign in each
 * way to store them, and signatures of notation.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { readPage, textOf } from "../web/page.js";
import { tarOf, uniqueText, writeImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";

/** Returns the text of a page, and the digests to which it links. */
async function look(registry: Gantry, path: string): Promise<{ text: string; linked: string[] }> {
  const page = await readPage(new Client(registry.url), path);
  const linked = Array.from(page.matchAll(/href="\.\/(sha256:[0-9a-f]{64})/g), ([, digest = ""]) => digest);
  return { text: textOf(page), linked: [...new Set(linked)] };
}

test("helm's chart has its README and values", { skip: needs("helm") }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const helm = (...args: string[]) => run("helm", args, { cwd: folder.path, env: { HOME: folder.path } });
  await mkdir(join(folder.path, "web", "templates"), { recursive: true });
  const chart = "apiVersion: v2\nname: web\nversion: 1.2.3+b\nappVersion: '7'\ndescription: Serves the web\n";
  await writeFile(join(folder.path, "web", "Chart.yaml"), chart);
  await writeFile(join(folder.path, "web", "values.yaml"), "replicas: 3\n");
  await writeFile(join(folder.path, "web", "README.md"), "# Web\n\nInstall *it*.\n");
  await helm("package", "web");
  await helm("push", "--plain-http", "web-1.2.3+b.tgz", `oci://${registry.host}/charts`);
  const { text } = await look(registry, "/ui/r/charts/web/_image/1.2.3_b");
  for (const part of ["Helm chart", "Serves the web", "replicas: 3", "Install it.", "--version 1.2.3+b"])
    assert.ok(text.includes(part), `${part} in ${text}`);
});

test("oras' files have their names", { skip: needs("oras") }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const oras = (...args: string[]) =>
    run("oras", args, { cwd: folder.path, env: { DOCKER_CONFIG: folder.path } });
  await writeFile(join(folder.path, "notes.txt"), uniqueText());
  await writeFile(join(folder.path, "README.md"), "# Notes\n\nRead *me*.\n");
  const artifact = `${registry.host}/files:v1`;
  await oras(
    "push",
    "--plain-http",
    "--artifact-type=application/vnd.example.notes",
    artifact,
    "notes.txt",
    "README.md",
  );
  await oras("attach", "--plain-http", "--artifact-type=application/spdx+json", artifact, "notes.txt");
  const { text, linked } = await look(registry, "/ui/r/files/_image/v1");
  for (const part of ["notes.txt", "application/vnd.example.notes", "Read me.", "SBOM"])
    assert.ok(text.includes(part), `${part} in ${text}`);
  assert.equal(linked.length, 1);
});

const modes = [
  { where: "under a tag", options: [], env: {} },
  {
    where: "as a referrer",
    options: ["--registry-referrers-mode=oci-1-1"],
    env: { COSIGN_EXPERIMENTAL: "1" },
  },
  { where: "in a bundle", options: ["--new-bundle-format"], env: {} },
];

for (const { where, options, env } of modes) {
  test(`cosign's signature and attestation ${where} are shown`, {
    skip: needs("cosign", "crane"),
  }, async () => {
    await using folder = await temporaryFolder();
    await using registry = await startGantry();
    const cosign = (...args: string[]) =>
      run("cosign", args, {
        cwd: folder.path,
        env: {
          ...{ COSIGN_PASSWORD: "", HOME: folder.path, DOCKER_CONFIG: folder.path },
          SIGSTORE_REKOR_PUBLIC_KEY: "none",
          ...env,
        },
      });
    const layout = join(folder.path, "layout");
    const digest = await writeImage(layout, [tarOf({ text: uniqueText() })]);
    await run("crane", ["push", layout, `${registry.host}/app:v1`]);
    await cosign("generate-key-pair");
    const signing = ["--key=cosign.key", "--tlog-upload=false", "--yes", "--allow-http-registry"];
    await cosign("sign", ...signing, ...options, `${registry.host}/app@${digest}`);
    await writeFile(join(folder.path, "predicate.json"), "{}");
    const bundle = options.filter((option) => option.includes("bundle"));
    await cosign(
      ...["attest", ...signing, ...bundle, "--predicate=predicate.json"],
      ...["--type=https://example.com/tested/v1", `${registry.host}/app@${digest}`],
    );
    const { text, linked } = await look(registry, "/ui/r/app/_image/v1");
    assert.match(text, /Signed: a signature exists; Gantry has not verified it\./);
    assert.match(text, /https:\/\/example\.com\/tested\/v1/);
    assert.match(text, /attestation/);
    assert.equal(linked.length, 2, text);
    for (const one of linked) assert.match((await look(registry, `/ui/r/app/_image/${one}`)).text, /Files/);
  });
}
