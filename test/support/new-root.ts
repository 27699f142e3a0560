import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** Returns a path for a store, where nothing is yet. What is there after the test is removed. */
export async function newRoot(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-store-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "store");
}
