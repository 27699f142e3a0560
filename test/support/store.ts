// Looks into the folder of a server: what is stored, for tests that nothing changed or where things lie.

import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Everything below `root`, files and folders, with their relative paths, in order. */
export async function storedBelow(root: string): Promise<string[]> {
  return (await pathsBelow(root)).map((path) => path.slice(root.length + 1)).sort();
}

/** A folder that goes while it is read, as those of uploads do, is empty. */
async function pathsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? [path, ...(await pathsBelow(path))] : [path];
    }),
  );
  return nested.flat();
}

/** How many uploads of a store have bytes: what a server has taken up of bodies that are still coming. */
export async function uploadsWithBytes(root: string): Promise<number> {
  const names = (await readdir(join(root, "uploads"))).filter((name) => !name.includes("."));
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(root, "uploads", name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.filter((size) => size > 0).length;
}

/** Runs `work`, which must not store anything; open uploads, which other tests may have, don't count. */
export async function leavesNothing<T>(root: string, work: () => Promise<T>): Promise<T> {
  const stored = async () => (await storedBelow(root)).filter((path) => !/^(uploads|records)\//.test(path));
  const before = await stored();
  const result = await work();
  assert.deepEqual(await stored(), before);
  return result;
}

/** Looks again until `look` finds something; for what the server does behind an answer. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  millisecondsMax = 5_000,
): Promise<T> {
  const end = Date.now() + millisecondsMax;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`not in ${millisecondsMax} ms: ${what}`);
    await pause(5);
  }
}
