/**
 * Import from Debian's docker-registry (CNCF distribution 2.8.2), from its folder and from the running registry, with the
 * commands of docs/migrating.md; and export to an OCI layout that skopeo reads.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { gantryProcess as gantry } from "../support/command.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { startDockerRegistry } from "./docker-registry.js";
import { tarOf, uniqueText, writeImage, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("docker-registry", "crane", "skopeo", "oras");

interface Pushed {
  readonly multi: string;
  /** Lost its tag to another image. */
  readonly untagged: string;
  readonly retagged: string;
  readonly artifact: string;
  readonly note: string;
}

/** Pushes typical content with three clients. */
async function fill(folder: string, host: string): Promise<Pushed> {
  const skopeo = (...args: string[]) => run("skopeo", ["--insecure-policy", ...args]);
  const multi = await writeMultiPlatformImage(join(folder, "multi"), uniqueText());
  for (const name of ["team/app", "team/copy"])
    await skopeo(
      "copy",
      "--all",
      "--dest-tls-verify=false",
      `oci:${join(folder, "multi")}:latest`,
      `docker://${host}/${name}:v1`,
    );
  const digests: string[] = [];
  for (const name of ["first", "second"]) {
    digests.push(await writeImage(join(folder, name), [tarOf({ name: randomBytes(8_000_000) })]));
    await run("crane", ["--insecure", "push", join(folder, name), `${host}/tools/lint:latest`]);
  }
  const oras = (...args: string[]) => run("oras", args, { cwd: folder, env: { DOCKER_CONFIG: folder } });
  await writeFile(join(folder, "note"), uniqueText());
  const type = ["--plain-http", "--artifact-type", "application/vnd.example.note"];
  await oras("push", ...type, `${host}/oras/artifact:v1`, "note");
  await oras("attach", ...type, `${host}/oras/artifact:v1`, "note");
  const discovered = JSON.parse(
    await oras("discover", "--plain-http", "--format=json", `${host}/oras/artifact:v1`),
  ) as { referrers: { digest: string }[] };
  const [untagged = "", retagged = ""] = digests;
  const artifact = await new Remote(`http://${host}`, "oras/artifact").digest("v1");
  return { multi, untagged, retagged, artifact, note: discovered.referrers[0]?.digest ?? "" };
}

/** Checks that everything can be pulled, comparing each byte. `all` includes untagged content. */
async function assertMoved(server: Gantry, pushed: Pushed, all: boolean): Promise<void> {
  for (const [name, reference, digest] of [
    ["team/app", "v1", pushed.multi],
    ["team/copy", "v1", pushed.multi],
    ["tools/lint", "latest", pushed.retagged],
    ["oras/artifact", "v1", pushed.artifact],
    ["oras/artifact", pushed.note, pushed.note],
    ...(all ? [["tools/lint", pushed.untagged, pushed.untagged]] : []),
  ] as [string, string, string][])
    assert.equal((await new Remote(server.url, name).verify(reference)).digest, digest, name);
  assert.equal((await new Remote(server.url, "team/app").verify("v1")).compared, 1 + 3 * 4);
  const referrers = await new Remote(server.url, "oras/artifact").referrers(pushed.artifact);
  assert.deepEqual(referrers, [pushed.note]);
}

/** Bytes on the disk, each inode once. */
function usedBy(...folders: readonly string[]): number {
  const lines = execFileSync("du", ["--summarize", "--bytes", "--total", ...folders], { encoding: "utf8" });
  return Number(/^(\d+)\ttotal$/m.exec(lines)?.[1]);
}

/** The page's blocks of commands, by heading. */
async function commandsOf(page: string): Promise<Map<string, string[]>> {
  const text = await readFile(new URL(`../../../docs/${page}`, import.meta.url), "utf8");
  const blocks = new Map<string, string[]>();
  let heading = "";
  for (const [, title, block] of text.matchAll(/^## (.+)$|^```sh\n([\s\S]*?)^```$/gm)) {
    heading = title ?? heading;
    if (block !== undefined)
      blocks.set(heading, [...(blocks.get(heading) ?? []), ...block.trim().split("\n")]);
  }
  return blocks;
}

test("the content of docker-registry is imported from its folder and from itself, and skopeo reads the export", {
  skip,
}, async (context) => {
  await using folder = await temporaryFolder();
  const old = join(folder.path, "old");
  await using registry = await startDockerRegistry(folder.path);
  const { host } = registry;
  const pushed = await fill(folder.path, host);
  const pages = await commandsOf("migrating.md");
  const ran = new Set<string>();
  /** Runs the page's commands below a heading, with the test's paths. */
  const follow = async (heading: string, root: string, wanted: RegExp) => {
    await writeFile(join(folder.path, "password"), "secret\n");
    for (const line of pages.get(heading) ?? []) {
      if (!wanted.test(line)) continue;
      ran.add(line);
      const [program, ...parameters] = line
        .replaceAll("/var/lib/registry", old)
        .replaceAll("https://registry.example.com", `http://${host}`)
        .split(" ")
        .map((word) =>
          word.replaceAll("'", "").replace(/^(oci:)?(layout|everything|password)\b/, `$1${folder.path}/$2`),
        );
      if (program === "skopeo") await run("skopeo", parameters);
      else {
        assert.equal(program, "gantry", line);
        const { code, stdout, stderr } = await gantry(root, parameters);
        assert.equal(code, 0, `${line}\n${stdout}\n${stderr}`);
      }
    }
  };

  await context.test("from its folder", async () => {
    const root = join(folder.path, "from-folder");
    const before = usedBy(old);
    await follow("From CNCF distribution's storage folder", root, /^gantry import/);
    const again = await gantry(root, ["import", "--from-distribution", old, "--json"]);
    const report = again.json<ImportReport>();
    assert.deepEqual([again.code, report.manifests.imported, report.problems], [0, 0, []]);
    await using server = await startGantry({}, root);
    await assertMoved(server, pushed, true);
    const manifest = await run("crane", ["--insecure", "manifest", `${server.host}/tools/lint:latest`]);
    const [layer = ""] = (JSON.parse(manifest) as { layers: { digest: string }[] }).layers.map(({ digest }) =>
      digest.slice("sha256:".length),
    );
    const data = join(old, "docker/registry/v2/blobs/sha256", layer.slice(0, 2), layer, "data");
    const content = join(root, "content/sha256", layer.slice(0, 2), layer);
    assert.equal((await stat(data)).ino, (await stat(content)).ino);
    const blobs = before - usedBy(join(old, "docker/registry/v2/repositories"));
    const grown = usedBy(old, root) - before;
    assert.ok(grown < blobs / 8, `${grown} bytes more for blobs of ${blobs}`);
    const names = (await run("crane", ["--insecure", "catalog", server.host])).split("\n");
    assert.deepEqual(names, (await run("crane", ["--insecure", "catalog", host])).split("\n").sort());
  });

  await context.test("from the running registry", async () => {
    const root = join(folder.path, "from-registry");
    await follow("From a running registry", root, /^gantry import/);
    await using server = await startGantry({}, root);
    await assertMoved(server, pushed, false);
  });

  await context.test("out to a layout", async () => {
    const root = join(folder.path, "from-folder");
    await follow("From and to an OCI layout", root, /^(gantry|skopeo)/);
    const layout = join(folder.path, "layout");
    const raw = await run("skopeo", ["inspect", "--raw", `oci:${layout}:v1`]);
    assert.equal(raw, (await readFile(join(layout, "blobs", ...pushed.multi.split(":")), "utf8")).trim());
    const back = `docker://${host}/back:v1`;
    await run("skopeo", [
      "--insecure-policy",
      "copy",
      "--all",
      "--dest-tls-verify=false",
      `oci:${layout}:v1`,
      back,
    ]);
    assert.equal((await new Remote(`http://${host}`, "back").verify("v1")).digest, pushed.multi);
    await using server = await startGantry({}, root);
    assert.equal((await new Remote(server.url, "team/copy").verify("v1")).digest, pushed.multi);
  });

  // The parts that the test does itself: it sets the store, and serves it.
  // test/cluster runs those with a bucket.
  for (const heading of ["Between a folder and a bucket", "From CNCF distribution's bucket"])
    pages.delete(heading);
  const left = [...pages.values()].flat().filter((line) => !ran.has(line));
  assert.deepEqual(left, [
    "export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/srv/gantry",
    "REGISTRY_HTTP_ADDR=127.0.0.1:5000 gantry serve",
  ]);
});
