// Inspects a server's folder: its files, for tests that nothing changed or where files are.

import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Returns everything below `root`, files and folders, with relative paths, in order. */
export async function storedBelow(root: string): Promise<string[]> {
  return (await pathsBelow(root)).map((path) => path.slice(root.length + 1)).sort();
}

/** What the server writes on its own, at any time: notes and records, the times of pulls, temporary files. */
const writtenOnItsOwn = /^(notes|records)(\/|$)|^uploads\/[^/]+\.tmp$|\/tags\/[^/]+\/pulled$/;

/** Returns everything that requests have stored below the root of a store, as `storedBelow` does. */
export async function storedByRequests(root: string): Promise<string[]> {
  return (await storedBelow(root)).filter((path) => !writtenOnItsOwn.test(path));
}

/** A folder removed during the read, like those of uploads, counts as empty. */
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

/** Returns the number of a store's uploads with bytes: the server has received part of their bodies. */
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

/** Runs `work`, which must store nothing; open uploads of other tests do not count. */
export async function leavesNothing<T>(root: string, work: () => Promise<T>): Promise<T> {
  const stored = async () => (await storedByRequests(root)).filter((path) => !path.startsWith("uploads/"));
  const before = await stored();
  const result = await work();
  assert.deepEqual(await stored(), before);
  return result;
}

/** Repeats `look` until it finds something, for work that the server does after its response. */
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
