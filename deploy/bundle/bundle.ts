/** Bundles a TypeScript module, with all modules and packages that it imports, into one CommonJS file. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import { addressHelpers, onlyEnglish, ownAddresses, separatePackages } from "./own-addresses.js";
import { thinned } from "./source-map.js";

/** The program is an expression, the function of a CommonJS module, for `src/start/program.cts`. */
export type Kind = "program" | "worker" | "package";

export interface BundleOptions {
  /** The checkout, an absolute path; other paths are relative to it. */
  readonly root: string;
  /** The module whose exports the bundle has, or a package. */
  readonly entry: string;
  readonly file: string;
  /** Packages that are loaded from their own files. */
  readonly external: readonly string[];
  /** Packages that have a bundle of their own, which is loaded when they are needed. */
  readonly separate: readonly string[];
  readonly kind: Kind;
}

/** Characters of the program's hash, which follow the first two. */
export const idLength = 64;

/** The hash is inserted here. */
const noId = "0".repeat(idLength);

/**
 * piscina prepares a worker by its default export. If there is none, it loads the file again as an ES module, for which Node
 * starts another loader: 10 MB a thread.
 */
const defaultExport = "module.exports.default ??= () => {};";

/** Returns the code around that of the modules. */
function surrounding(kind: Kind, file: string): { readonly banner: string; readonly footer: string } {
  const traces = relative(dirname(file), "dist/src/start/stack-traces.cjs");
  const parts = {
    program: [`/*${noId}*/(function (exports, require, module, __filename, __dirname) {"use strict";`, "})"],
    worker: [
      `"use strict";require("${traces}").nameSources(require("node:path").dirname(__dirname));`,
      defaultExport,
    ],
    package: ['"use strict";', ""],
  } as const;
  const [start, footer] = parts[kind];
  return { banner: start + addressHelpers(file), footer };
}

/** Writes the bundle and its source map. Returns the modules in it. */
export async function bundle(options: BundleOptions): Promise<readonly string[]> {
  const { root, entry, file, external, separate, kind } = options;
  const { banner, footer } = surrounding(kind, file);
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node20",
    // A function of `node:vm` would need a loader for `import()`; only external packages are imported at run time.
    supported: { "dynamic-import": false },
    external: [...external],
    // The source stays in memory. Names stay for stack traces.
    minifyWhitespace: true,
    lineLimit: 160,
    banner: { js: banner },
    footer: { js: footer },
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    plugins: [ownAddresses(root), separatePackages(separate, file), onlyEnglish()],
    logLevel: "warning",
  });
  await mkdir(dirname(join(root, file)), { recursive: true });
  for (const { path, text } of outputFiles) {
    const id = createHash("sha256").update(text).digest("hex");
    await writeFile(path, path.endsWith(".map") ? thinned(text) : text.replace(noId, id));
  }
  return Object.keys(metafile.inputs);
}
