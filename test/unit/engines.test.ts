// The versions of Node that the package declares have what the code uses.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

async function declared(file: string): Promise<string> {
  const read = JSON.parse(await readFile(file, "utf8"));
  return file === "package.json" ? read.engines.node : read.packages[""].engines.node;
}

test("the package admits only versions of Node with zlib.crc32", async () => {
  // Node added it in 20.15.0 and 22.2.0, and to no release of Node 21.
  assert.equal(await declared("package.json"), "^20.15 || >=22.2");
  assert.equal(await declared("package-lock.json"), await declared("package.json"));
});

test("the documents name the oldest of them", async () => {
  for (const file of ["README.md", "docs/contributing.md"])
    assert.match(await readFile(file, "utf8"), /20\.15/, file);
});
