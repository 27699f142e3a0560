/** Part of `npm run build`: bundles the compiled program and its workers into `dist/bundle`. */
import { execFile } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundle, idLength } from "./bundle.js";
import { writeNotices } from "./notices.js";
import { bundles, packageFile } from "./own-addresses.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = `dist/${bundles}`;
const program = `${folder}/gantry.cjs`;

/** A package with a binary, and large ones that few settings need: their source would stay in every server's memory. */
const external = [
  "uWebSockets.js",
  "pino-pretty",
  "@opentelemetry/core",
  "@opentelemetry/exporter-trace-otlp-*",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace",
  "@aws-sdk/credential-provider-node",
];

/** Large packages that some settings need. */
const separate = ["hash-wasm", "iovalkey", "undici"];

/** Imports from piscina must be of the instance that runs the worker. */
const workersExternal = [...external, "piscina"];

/** Removes V8's code of another state of the program; it would be a part of the package. */
async function removeOldCode(): Promise<void> {
  const id = (await readFile(join(root, program), "latin1")).slice(2, 2 + idLength);
  for (const name of await readdir(join(root, folder))) {
    const path = join(root, folder, name);
    if (name.endsWith(".code") && !(await readFile(path, "latin1")).startsWith(id)) await rm(path);
  }
}

const workers = await readdir(join(root, "workers"));
const bundled = await Promise.all([
  bundle({
    root,
    entry: "dist/src/cli/main.js",
    file: program,
    external,
    separate,
    kind: "program",
  }),
  ...workers.map((name) =>
    bundle({
      root,
      entry: `dist/workers/${name}/${name}.js`,
      file: `${folder}/workers/${name}.cjs`,
      external: workersExternal,
      separate,
      kind: "worker",
    }),
  ),
  ...separate.map((name) =>
    bundle({ root, entry: name, file: packageFile(name), external: [], separate: [], kind: "package" }),
  ),
]);
await removeOldCode();
await writeNotices(root, join(root, folder, "LICENSES"), bundled.flat());
// Options of V8 for this build are not those of a server, and V8 refuses code that was compiled under others.
const env = { ...process.env, NODE_OPTIONS: "" };
await promisify(execFile)(process.execPath, [fileURLToPath(new URL("code-cache.js", import.meta.url))], {
  env,
});
