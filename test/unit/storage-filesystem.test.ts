// The storage on a disk keeps the promises of the port, with hard links and on a file system that has none.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Layout, pointerFile } from "../../src/storage/filesystem/layout.js";
import { openFilesystemStorage } from "../../src/storage/filesystem/open.js";
import { type TestedStore, testStorage } from "../contract/storage.js";

/** Manual edits are detected by their modification time. */
async function overwrite(file: string): Promise<void> {
  await writeFile(file, "damage");
  const later = new Date(Date.now() + 2000);
  await utimes(file, later, later);
}

interface Variant {
  readonly hardLinks: "if supported" | "never";
  readonly journal: boolean;
}

async function createStore({ hardLinks, journal }: Variant): Promise<TestedStore> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-storage-"));
  const layout = new Layout(join(folder, "store"));
  return {
    open: (slabs) =>
      openFilesystemStorage({
        slabs,
        hardLinks,
        journal,
        rootDirectory: layout.root,
        durability: "full",
        threads: 2,
        cachedBytes: 0,
        openUploadsMax: 16,
        taskSecondsMax: 60,
        onStray: () => {},
        onError: (error) => assert.fail(String(error)),
        create: true,
      }),
    plantOrphan: async (digest, bytes) => {
      await mkdir(dirname(layout.content(digest)), { recursive: true });
      await writeFile(layout.content(digest), bytes);
    },
    damageBlob: (name, digest) => overwrite(layout.blob(name, digest)),
    damageTag: (name, tag) => overwrite(`${layout.tag(name, tag)}/${pointerFile}`),
    damageReferrer: (name, subject, referrer) => overwrite(`${layout.referrers(name, subject)}/${referrer}`),
    misplaceManifest: async (name, digest) => void (await mkdir(layout.manifest(name, digest))),
    breakDown: async () => {
      await rename(layout.root, join(folder, "away"));
      await writeFile(layout.root, "not a folder");
      return async () => {
        await rm(layout.root);
        await rename(join(folder, "away"), layout.root);
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

testStorage({
  name: "a journal",
  sharesContent: true,
  freesAtOnce: true,
  create: () => createStore({ hardLinks: "if supported", journal: true }),
});
testStorage({
  name: "hard links, but no journal",
  sharesContent: true,
  freesAtOnce: true,
  create: () => createStore({ hardLinks: "if supported", journal: false }),
});
testStorage({
  name: "no hard links",
  sharesContent: false,
  freesAtOnce: true,
  create: () => createStore({ hardLinks: "never", journal: true }),
});
