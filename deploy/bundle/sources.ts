/** Detects whether the program was built from the sources as they are now: `npm start` then does not build it again. */
import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** All that a bundle consists of, and how it is made. The lock file has the versions of packages. */
const folders = ["deploy/bundle", "src", "workers"];
const files = ["package-lock.json", "package.json", "tsconfig.json"];

/** Contains the hash of the sources. Outside `dist/bundle`, which is a part of the package. */
const record = "dist/.bundle-sources";

/** Returns a hash of the names and contents of all sources. Times of files say too little: a copy or an archive sets old ones. */
export async function hashOfSources(root: string): Promise<string> {
  const found = await Promise.all(folders.map((folder) => filesIn(root, folder)));
  const names = [...files, ...found.flat()].sort();
  const contents = await Promise.all(names.map((name) => readFile(join(root, name))));
  const hash = createHash("sha256");
  for (const [index, name] of names.entries()) {
    const content = contents[index] ?? Buffer.alloc(0);
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

async function filesIn(root: string, folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

/** Returns whether the last build was complete, and of these sources. */
export async function isBuiltFrom(hash: string, root: string): Promise<boolean> {
  return hash === (await readFile(join(root, record), "utf8").catch(() => undefined));
}

/** Call it before a build, which may not end. */
export async function forgetSources(root: string): Promise<void> {
  await rm(join(root, record), { force: true });
}

export async function rememberSources(hash: string, root: string): Promise<void> {
  await writeFile(join(root, record), hash);
}
