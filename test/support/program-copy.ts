/** A copy of the program that a test may damage. */
import { cp, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { cli } from "./cli.js";

export interface ProgramCopy extends AsyncDisposable {
  readonly folder: string;
  /** The program's entry in it. */
  readonly entry: string;
}

/** Copies the program without its packages, which are linked. */
export async function copyProgram(): Promise<ProgramCopy> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-program-"));
  const original = await realpath(cli);
  const program = dirname(dirname(dirname(original)));
  for (const part of [
    "package.json",
    "dist/src/gantry.cjs",
    "dist/src/start",
    "dist/src/http/web",
    "dist/bundle",
  ])
    await cp(join(program, part), join(folder, part), { recursive: true });
  const somePackage = dirname(createRequire(original).resolve("uWebSockets.js/package.json"));
  await symlink(dirname(somePackage), join(folder, "node_modules"));
  return {
    folder,
    entry: join(folder, "dist/src/gantry.cjs"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
