/** The package as a user gets it: built by `npm pack`, installed by `npm install --global`, run by its name. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Folder, run, temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { checkout, type Package, pack } from "./pack.js";

interface Lock {
  /** By their paths, `node_modules/…`; the package itself has the path "". */
  readonly packages: Readonly<Record<string, { version: string; dev?: true; optional?: true }>>;
}

let folder: Folder;
let packed: Package;
let program: string;
let installed: string;

before(async () => {
  folder = await temporaryFolder();
  packed = await pack(folder.path);
  const prefix = join(folder.path, "prefix");
  await run("npm", ["install", "--global", "--prefix", prefix, "--no-audit", "--no-fund", packed.file]);
  program = join(prefix, "bin", "gantry");
  installed = join(prefix, "lib", "node_modules", "gantry");
});

after(() => folder[Symbol.asyncDispose]());

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}

test("the package contains exactly the compiled files of src and workers", () => {
  const others = packed.contents.filter((path) => !path.startsWith("dist/"));
  const expected = ["CHANGELOG.md", "LICENSE", "README.md", "npm-shrinkwrap.json", "package.json"];
  assert.deepEqual(others.sort(), expected);
  const compiled = packed.contents.filter((path) => path.startsWith("dist/"));
  assert.ok(compiled.includes("dist/src/gantry.cjs") && compiled.includes("dist/workers/uploads/uploads.js"));
  for (const path of compiled) {
    assert.match(path, /^dist\/(?:src|workers)\/.*\.(?:c?js|css|svg)$/);
    const source = path.replace(/^dist\//, "").replace(/\.(c?)js$/, ".$1ts");
    // Templates end in .tsx.
    assert.ok(
      existsSync(join(checkout, source)) || existsSync(join(checkout, `${source}x`)),
      `${path} has no source`,
    );
  }
});

test("an installation has the locked versions of its run-time packages, and no development tools", async () => {
  const { packages } = await json<Lock>(join(checkout, "package-lock.json"));
  for (const [path, locked] of Object.entries(packages)) {
    const manifest = join(installed, path, "package.json");
    if (locked.dev) assert.ok(!existsSync(manifest), `${path} is for development`);
    // This machine's processor and system decide which optional ones are installed.
    else if (!locked.optional || existsSync(manifest))
      assert.equal((await json<{ version: string }>(manifest)).version, locked.version, path);
  }
});

test("an installed gantry lists its commands", async () => {
  assert.match(await run(program, ["--help"]), /^Usage: gantry COMMAND/);
});

test("an installed gantry serves pushes and pulls, and stops on request", async () => {
  const gantry = await startGantry({}, join(folder.path, "data"), [program]);
  try {
    const client = new Client(gantry.url);
    const [name, pushed] = [newName(), image()];
    await client.pushImage(name, pushed, "latest");
    assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(pushed.bytes));
    for (const { digest, bytes } of pushed.blobs)
      assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
  } finally {
    await gantry.stop();
  }
});
