/** Part of `npm run build`: bundles the compiled program and its workers into `dist/bundle`. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.js";
import { writeNotices } from "./notices.js";
import { bundles, packageFile } from "./own-addresses.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = `dist/${bundles}`;

/** A package with a binary, and large ones that few settings need: their source would stay in every server's memory. */
const external = ["uWebSockets.js", "pino-pretty", "@opentelemetry/*", "@aws-sdk/credential-provider-node"];

/** Large packages that some settings need. */
const separate = ["hash-wasm", "iovalkey", "undici"];

/** Imports from piscina must be of the instance that runs the worker. */
const workersExternal = [...external, "piscina"];

const workers = await readdir(join(root, "dist/workers"));
const bundled = await Promise.all([
  bundle({
    root,
    entry: "dist/src/cli/main.js",
    file: `${folder}/gantry.cjs`,
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
await writeNotices(root, join(root, folder, "LICENSES"), bundled.flat());
