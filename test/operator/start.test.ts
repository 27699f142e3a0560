// The modules that a start loads: each unneeded package delays the first client.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { type GantrySettings, startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";

/** Packages that a server with default settings does not need. */
const optional = ["hash-wasm", "jose", "prom-client", "undici", "yaml"];

/** Those that have a bundle of their own. */
const separate = ["hash-wasm", "undici"];

/** Functions for commands and for visitors of the web page. */
const needless = ["effectiveOf", "#compress"];

/** A script that Node ran, in its record: a function has the name that the bundle gives a module. */
interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly functionName: string;
    readonly ranges: readonly { readonly count: number }[];
  }[];
}

/** Returns the scripts that a server with these settings has run by its end, and the program among them. */
async function scriptsOf(settings: GantrySettings): Promise<{ program: Script; scripts: readonly Script[] }> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-loaded-"));
  try {
    {
      // At exit, Node writes there which scripts it has run.
      await using _ = await startGantry({ ...settings, NODE_V8_COVERAGE: folder });
    }
    const files = await readdir(folder);
    const records = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
    const scripts = records.flatMap((text) => (JSON.parse(text) as { result: Script[] }).result);
    const program = scripts.find(({ url }) => url.endsWith("/dist/bundle/gantry.cjs"));
    assert(program !== undefined, "the server runs the bundled program");
    return { program, scripts };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Returns the packages that a server with these settings has loaded by its end. */
async function loadedBy(settings: GantrySettings): Promise<readonly string[]> {
  const { program, scripts } = await scriptsOf(settings);
  const inThreads = scripts.filter(({ url }) => url.includes("/dist/bundle/workers/"));
  assert.deepEqual(inThreads, [], "no thread starts before it has work");
  return optional.filter(
    (name) => isEvaluated(program, name) || scripts.some(({ url }) => isFileOf(url, name)),
  );
}

/** Returns whether a file of a package was loaded, or its own bundle. */
function isFileOf(url: string, name: string): boolean {
  return url.includes(`/node_modules/${name}/`) || url.endsWith(`/dist/bundle/packages/${name}.cjs`);
}

/** Returns whether a package in the bundle was evaluated. Throws if each start evaluates it. */
function isEvaluated(program: Script, name: string): boolean {
  if (separate.includes(name)) return false;
  const modules = program.functions.filter(({ functionName }) =>
    functionName.includes(`node_modules/${name}/`),
  );
  assert(modules.length > 0, `the bundle can load ${name} later`);
  return modules.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0);
}

/** Throws if there is no such function. */
function isCalled(program: Script, name: string): boolean {
  const found = program.functions.filter(({ functionName }) => functionName === name);
  assert(found.length > 0, `the program has ${name}`);
  return found.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0);
}

const cases: readonly (readonly [what: string, settings: GantrySettings, loaded: readonly string[]])[] = [
  ["with its defaults loads no package that only settings need", {}, []],
  ["with metrics loads their package", { REGISTRY_HTTP_METRICS_ENABLED: "true" }, ["prom-client"]],
  [
    "with a webhook loads its client, and the parser of its settings",
    { REGISTRY_NOTIFICATIONS_ENDPOINTS: '[{"name":"one","url":"http://127.0.0.1:9"}]' },
    ["undici", "yaml"],
  ],
  [
    "with robots loads the package that signs their tokens",
    { REGISTRY_AUTH_ROBOTS_ENABLED: "true" },
    ["jose", "yaml"],
  ],
];

for (const [what, settings, loaded] of cases) {
  test(`a server ${what}`, async () => {
    assert.deepEqual(await loadedBy(settings), loaded);
  });
}

test("a start computes nothing for commands, and compresses no file for visitors", async () => {
  const { program } = await scriptsOf({});
  assert.equal(isCalled(program, "readSettings"), true);
  for (const name of needless) assert.equal(isCalled(program, name), false, name);
});

test("a server that only serves pulls is ready without workers, which start with the first push", {
  skip: process.platform !== "linux" && "threads are counted in /proc",
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-workers-"));
  const workers = 3;
  try {
    {
      await using gantry = await startGantry({}, folder);
      await new Client(gantry.url).pushImage("app", image(), "v1");
    }
    await using gantry = await startGantry({ REGISTRY_UPLOADS_WORKERS: String(workers) }, folder);
    const threads = async () => (await readdir(`/proc/${gantry.pid}/task`)).length;
    const client = new Client(gantry.url);
    const isReady = async () => (await client.get("/readyz")).status === 200 || undefined;
    const before = await threads();
    await eventually("the first check of the server's health has ended", isReady);
    assert.equal((await client.get("/v2/app/manifests/v1")).status, 200);
    assert.equal(await threads(), before);
    await client.pushImage("app", image(), "v2");
    assert.equal(await threads(), before + workers);
    assert.equal(await isReady(), true);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a server logs its runtime once, and warns only about the build for Node 20", async () => {
  await using gantry = await startGantry();
  for (let time = 0; time < 3; time++) await fetch(`${gantry.url}/v2/`);
  const ran = `"msg":"running on Node ${process.versions.node} with uWebSockets.js`;
  await eventually("the log names the runtime", () => gantry.log().includes(ran) || undefined);
  const lines = gantry.log();
  assert.equal(lines.split(ran).length, 2);
  assert.match(lines, new RegExp(`"build":"uws_linux_${process.arch}_${process.versions.modules}"`));
  const warnings = lines.match(/"level":40,.*"msg":"use Node 24/g)?.length ?? 0;
  assert.equal(warnings, process.versions.modules === "115" ? 1 : 0);
});
