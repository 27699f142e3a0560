/**
 * esbuild plugins: bundled modules find their files in `dist`, workers in their bundles, and large packages in theirs; languages
 * that nothing uses are left out.
 */
import { readFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import type { Plugin } from "esbuild";

/** The folder of the bundles in that of the compiled files. */
export const bundles = "bundle";
const helper = "addressInDist";
const folderHelper = "folderOfPackage";

/** Returns the definitions of the functions that the replacements call. `file` is the bundle. */
export function addressHelpers(file: string): string {
  const up = relative(dirname(file), "dist");
  const join = `require("node:path").join(__dirname, "${up}", path)`;
  return [
    `const ${helper} = (path) => require("node:url").pathToFileURL(${join}).href;`,
    `const ${folderHelper} = (name) => require("node:path").dirname(require.resolve(name));`,
  ].join("");
}

/** A module that requires a package by name; without a function of its own, esbuild bundles the package. */
const requiresPackage = /\brequire\("[^".]/;
const ownRequire = "const require = createRequire(import.meta.url);";

const workerAddress = /new URL\("(?:\.\.\/)+workers\/(\w+)\/\1\.js", import\.meta\.url\)/g;

export function ownAddresses(root: string): Plugin {
  return {
    name: "own-addresses",
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.tsx?$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        if (!text.includes("import.meta.url")) return undefined;
        const own = relative(root, path);
        const contents = (requiresPackage.test(text) ? text.replace(ownRequire, "") : text)
          .replaceAll(workerAddress, `new URL(${helper}("${bundles}/workers/$1.cjs"))`)
          .replaceAll("import.meta.url", `${helper}("${own}")`);
        return { contents, loader: path.endsWith("x") ? "tsx" : "ts" };
      });
      // piscina starts its own worker, beside the module that it is loaded from.
      onLoad({ filter: /\/node_modules\/piscina\/dist\/index\.js$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        return { contents: text.replaceAll("__dirname", `${folderHelper}("piscina")`), loader: "js" };
      });
    },
  };
}

/** The file of a package that has its own bundle. */
export function packageFile(name: string): string {
  return `dist/${bundles}/packages/${name}.cjs`;
}

/** Imports these packages from their own bundles. `file` is the importing one. */
export function separatePackages(names: readonly string[], file: string): Plugin {
  return {
    name: "separate-packages",
    setup: ({ onResolve }) => {
      if (names.length === 0) return;
      onResolve({ filter: new RegExp(`^(?:${names.join("|")})$`) }, ({ path }) => ({
        path: `./${relative(dirname(file), packageFile(path))}`,
        external: true,
      }));
    },
  };
}

/** zod has its messages in 50 languages, and only one is used: the others are a tenth of the program. */
export function onlyEnglish(): Plugin {
  return {
    name: "only-english",
    setup: ({ onLoad }) => {
      onLoad({ filter: /\/node_modules\/zod\/v4\/locales\/index\.js$/ }, () => ({
        contents: 'export { default as en } from "./en.js";',
        loader: "js",
      }));
    },
  };
}
