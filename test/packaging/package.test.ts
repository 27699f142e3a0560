/** The package as a user gets it: built by `npm pack`, installed by `npm install --global`, run by its name. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
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

/** Files of the package that are not compiled one by one: the bundles, V8's code, and the files of the web page. */
const files = [
  /^dist\/bundle\/gantry\.cjs(?:\.map|\.[\d.]+-node\.\d+-\w+-\w+\.code)?$/,
  /^dist\/bundle\/packages\/(?:@smithy\/signature-v4|hash-wasm|iovalkey|undici)\.cjs(?:\.map)?$/,
  /^dist\/bundle\/LICENSES$/,
  /^dist\/src\/http\/web\/(?:style\.css|icon\.svg|browser\/page\.js)$/,
];

test("the package contains exactly the bundles, the entry that loads them, and the files of the web page", async () => {
  const others = packed.contents.filter((path) => !path.startsWith("dist/"));
  const expected = ["CHANGELOG.md", "LICENSE", "README.md", "npm-shrinkwrap.json", "package.json"];
  assert.deepEqual(others.sort(), expected);
  const built = packed.contents.filter((path) => path.startsWith("dist/"));
  for (const pattern of files)
    assert.ok(
      built.some((path) => pattern.test(path)),
      `${pattern}`,
    );
  const workers = await readdir(join(checkout, "workers"));
  const modules = built.filter((path) => !files.some((pattern) => pattern.test(path)));
  const start = (await readdir(join(checkout, "src/start"))).map(
    (name) => `start/${name.replace(/\.cts$/, ".cjs")}`,
  );
  assert.deepEqual(
    modules.sort(),
    [
      ...workers.flatMap((name) => [
        `dist/bundle/workers/${name}.cjs`,
        `dist/bundle/workers/${name}.cjs.map`,
      ]),
      ...["gantry.cjs", ...start].map((name) => `dist/src/${name}`),
    ].sort(),
  );
});

test("the package has the licences of the packages in its bundles", async () => {
  const { packages } = await json<Lock>(join(checkout, "package-lock.json"));
  const notices = await readFile(join(installed, "dist/bundle/LICENSES"), "utf8");
  const named = [...notices.matchAll(/^(\S+) (\d\S*): \S+$/gm)].map(([, name, version]) => [name, version]);
  assert.ok(named.some(([name]) => name === "zod") && named.length > 20);
  for (const [name, version] of named) assert.equal(packages[`node_modules/${name}`]?.version, version, name);
  assert.match(notices, /Permission is hereby granted, free of charge/);
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

test("an installed gantry starts with the code that V8 compiled when it was built", async () => {
  const files = await readdir(join(installed, "dist/bundle"));
  assert.equal(files.filter((name) => name.endsWith(".code")).length, 1);
  const script = `const Program = require("${installed}/dist/src/start/program.cjs");
    console.log(new Program("${installed}/dist/bundle/gantry.cjs").wasCompiled); process.exit();`;
  assert.equal((await run(process.execPath, ["--eval", script])).trim(), "false");
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
