// `npm start` builds the program again exactly when its sources have changed.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { forgetSources, hashOfSources, isBuiltFrom, rememberSources } from "../../deploy/bundle/sources.js";

async function checkout(): Promise<{ readonly root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "gantry-sources-"));
  for (const folder of ["deploy/bundle", "dist", "src/cli", "workers", "test"])
    await mkdir(join(root, folder), { recursive: true });
  for (const file of ["package.json", "package-lock.json", "tsconfig.json", "src/cli/run.ts"])
    await writeFile(join(root, file), "text");
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}

const changes: readonly (readonly [
  what: string,
  make: (root: string) => Promise<void>,
  isChange: boolean,
])[] = [
  ["another text of the same length", (root) => writeFile(join(root, "src/cli/run.ts"), "tent"), true],
  ["a renamed file", (root) => rename(join(root, "src/cli/run.ts"), join(root, "src/run.ts")), true],
  ["a new file", (root) => writeFile(join(root, "workers/new.ts"), ""), true],
  ["a removed file", (root) => rm(join(root, "src/cli/run.ts")), true],
  ["other versions of packages", (root) => writeFile(join(root, "package-lock.json"), "{}"), true],
  ["the same text written again", (root) => writeFile(join(root, "src/cli/run.ts"), "text"), false],
  ["a new test", (root) => writeFile(join(root, "test/new.test.ts"), "text"), false],
];

for (const [what, make, isChange] of changes) {
  test(`${what} ${isChange ? "is" : "is not"} a change of the program`, async () => {
    await using made = await checkout();
    const { root } = made;
    await rememberSources(await hashOfSources(root), root);
    assert.equal(await isBuiltFrom(await hashOfSources(root), root), true);
    await make(root);
    assert.equal(await isBuiltFrom(await hashOfSources(root), root), !isChange);
  });
}

test("a build that did not end is repeated", async () => {
  await using made = await checkout();
  const { root } = made;
  const hash = await hashOfSources(root);
  assert.equal(await isBuiltFrom(hash, root), false);
  await rememberSources(hash, root);
  await forgetSources(root);
  assert.equal(await isBuiltFrom(hash, root), false);
});
