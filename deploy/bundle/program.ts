/** Builds the program from its TypeScript: bundles of it and of its workers, with what is beside them. Checks no types. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { bundle, idLength } from "./bundle.js";
import { writeNotices } from "./notices.js";
import { bundles, packageFile } from "./own-addresses.js";

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
const separate = ["@smithy/signature-v4", "hash-wasm", "iovalkey", "undici"];

/** Imports from piscina must be of the instance that runs the worker. */
const workersExternal = [...external, "piscina"];

/** `root` is the checkout, an absolute path. */
export async function buildProgram(root: string): Promise<void> {
  const workers = await readdir(join(root, "workers"));
  const [, ...bundled] = await Promise.all([
    writePageFiles(root),
    bundle({ root, entry: "src/cli/main.ts", file: program, external, separate, kind: "program" }),
    ...workers.map((name) =>
      bundle({
        root,
        entry: `workers/${name}/${name}.ts`,
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
  await removeOldCode(root);
  await writeNotices(root, join(root, folder, "LICENSES"), bundled.flat());
  await compileCode();
}

/** Writes the style, the icon and the script of the web page. */
async function writePageFiles(root: string): Promise<void> {
  const [from, to] = [join(root, "src/http/web"), join(root, "dist/src/http/web")];
  await mkdir(to, { recursive: true });
  for (const name of ["style.css", "icon.svg"]) await copyFile(join(from, name), join(to, name));
  await build({
    entryPoints: [join(from, "browser/page.ts")],
    outdir: join(to, "browser"),
    format: "esm",
    logLevel: "warning",
  });
}

/** Removes V8's code of another state of the program; it would be a part of the package. */
async function removeOldCode(root: string): Promise<void> {
  const id = (await readFile(join(root, program), "latin1")).slice(2, 2 + idLength);
  for (const name of await readdir(join(root, folder))) {
    const path = join(root, folder, name);
    if (name.endsWith(".code") && !(await readFile(path, "latin1")).startsWith(id)) await rm(path);
  }
}

async function compileCode(): Promise<void> {
  // Options of V8 for this build are not those of a server, and V8 refuses code that was compiled under others.
  const env = { ...process.env, NODE_OPTIONS: "" };
  const script = fileURLToPath(new URL("code-cache.js", import.meta.url));
  await promisify(execFile)(process.execPath, [script], { env });
}
