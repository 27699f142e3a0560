// The bundled program starts with the code that V8 compiled before, and without it if that cannot be used.

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../clients/support.js";
import { startGantry } from "../support/gantry.js";
import { copyProgram, type ProgramCopy } from "../support/program-copy.js";
import { eventually } from "../support/store.js";

/** A server keeps its code 10 s after its start. */
const keptMillisecondsMax = 60_000;

/** Evaluates the program as its entry does, then calls `then` with it; returns what that prints. */
function evaluate({ folder }: ProgramCopy, then: string, flags: readonly string[] = []): Promise<string> {
  const script = `const Program = require(process.argv[1] + "/dist/src/start/program.cjs");
    const program = new Program(process.argv[1] + "/dist/bundle/gantry.cjs");
    (${then})(program).then((text) => process.stdout.write(String(text), () => process.exit()));`;
  return run(process.execPath, [...flags, "--eval", script, folder]);
}

const wasCompiled = "async (program) => program.wasCompiled";
const save = "(program) => program.saveCode()";

/** Returns the files of compiled code. */
async function codeOf({ folder }: ProgramCopy): Promise<readonly string[]> {
  const bundle = join(folder, "dist/bundle");
  const files = await readdir(bundle);
  return files.filter((name) => name.endsWith(".code")).map((name) => join(bundle, name));
}

async function removeCode(program: ProgramCopy): Promise<void> {
  for (const file of await codeOf(program)) await rm(file);
}

test("a server without compiled code keeps its own, which the next start uses", async () => {
  await using program = await copyProgram();
  await removeCode(program);
  assert.equal(await evaluate(program, wasCompiled), "true");
  {
    await using _ = await startGantry({}, undefined, [process.execPath, program.entry]);
    await eventually("the code is there", async () => (await codeOf(program))[0], keptMillisecondsMax);
  }
  assert.equal(await evaluate(program, wasCompiled), "false");
});

const damages: readonly (readonly [what: string, change: (code: Buffer) => Buffer])[] = [
  [
    "with a wrong byte",
    (code) => code.fill(code.readUInt8(code.length >> 1) ^ 1, code.length >> 1, (code.length >> 1) + 1),
  ],
  ["that is cut off", (code) => code.subarray(0, code.length >> 1)],
  ["that is empty", () => Buffer.alloc(0)],
  ["of another program", (code) => code.fill("0", 0, 64)],
];

for (const [what, change] of damages) {
  test(`compiled code ${what} is not used, and replaced`, async () => {
    await using program = await copyProgram();
    await removeCode(program);
    await evaluate(program, save);
    const [file = ""] = await codeOf(program);
    await writeFile(file, change(await readFile(file)));
    assert.match(await run(process.execPath, [program.entry, "version"]), /^gantry /);
    assert.equal(await evaluate(program, wasCompiled), "true");
    await evaluate(program, save);
    assert.equal(await evaluate(program, wasCompiled), "false");
  });
}

test("each set of V8's options has its code, up to five files", async () => {
  await using program = await copyProgram();
  await removeCode(program);
  await evaluate(program, save);
  for (const lines of [20, 21, 22, 23, 24]) {
    const flags = [`--stack-trace-limit=${lines}`];
    assert.equal(await evaluate(program, wasCompiled, flags), "true");
    await evaluate(program, save, flags);
    assert.equal(await evaluate(program, wasCompiled, flags), String(lines === 24));
  }
  assert.equal(await evaluate(program, wasCompiled), "false");
});

test("a folder that cannot be written costs the compiled code, nothing else", async () => {
  await using program = await copyProgram();
  await removeCode(program);
  await evaluate(program, save);
  const [file = ""] = await codeOf(program);
  await rm(file);
  // A folder in its place, because a test that runs as root may write everywhere.
  await mkdir(file);
  const kept = `${save.replace("saveCode()", 'saveCode().then(() => "kept", () => "not kept")')}`;
  assert.equal(await evaluate(program, kept), "not kept");
  assert.match(await run(process.execPath, [program.entry, "version"]), /^gantry /);
});

test("a stack trace names the source files, of the program and of packages", async () => {
  await using program = await copyProgram();
  const fail = "(program) => program.exports.run(undefined).catch((error) => error.stack)";
  const stack = await evaluate(program, fail);
  assert.match(
    stack,
    /^TypeError: Cannot read properties of undefined \(reading 'stderr'\)\n {4}at report \(src\/cli\/run\.ts:\d+:\d+\)/,
  );
  const code = 'async () => { try { Buffer.alloc("x"); } catch (error) { return error.stack; } }';
  assert.match(await evaluate(program, code), /^TypeError \[ERR_INVALID_ARG_TYPE\]: The "size" argument/);
});
