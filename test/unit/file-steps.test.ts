// Steps of a worker that change files.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { doFileSteps } from "../../workers/uploads/file-steps.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-steps-"));
after(() => rm(folder, { recursive: true, force: true }));
const [from, to] = [join(folder, "new"), join(folder, "name")];

async function place(bytes: string): Promise<number> {
  await writeFile(from, bytes);
  await doFileSteps([{ do: "place", from, to }], false);
  assert.deepEqual([await readFile(to, "utf8"), await readdir(folder)], [bytes, ["name"]]);
  return (await stat(to)).ino;
}

test("a file with the same bytes stays in its place, and any other is replaced", async () => {
  const first = await place("bytes");
  assert.equal(await place("bytes"), first);
  assert.notEqual(await place("other"), first);
  await rm(to);
  await symlink("elsewhere", to);
  await place("bytes");
});
