// Something else in the place of the journal or of one of its files: the server does not start, and names it with the remedy.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startGantry } from "../support/gantry.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-journal-files-"));
after(() => rm(folder, { recursive: true, force: true }));
let stores = 0;

const kinds: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  "a folder": (path) => mkdir(path),
  "a link": (path) => symlink("/dev/null", path),
  "a pipe": async (path) => execFileSync("mkfifo", [path]),
};

for (const [kind, make] of Object.entries(kinds))
  for (const file of ["mark", "0-a"])
    test(`${kind} in the place of journal/${file}`, async () => {
      const root = join(folder, String(stores++));
      await mkdir(join(root, "journal"), { recursive: true });
      await make(join(root, "journal", file));
      await assert.rejects(
        startGantry({}, root),
        new RegExp(`${root}/journal/${file} is not a file: move it out of the store`),
      );
    });

for (const processes of ["1", "2"])
  test(`a file in the place of the journal, with ${processes} processes`, async () => {
    const root = join(folder, String(stores++));
    await mkdir(root);
    await writeFile(join(root, "journal"), "");
    await assert.rejects(
      startGantry({ REGISTRY_HTTP_PROCESSES: processes }, root),
      new RegExp(`${root}/journal is not a folder: move it out of the store`),
    );
  });
