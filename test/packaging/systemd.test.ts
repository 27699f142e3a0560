/** The unit, as systemd reads it, and the server within the system calls that the unit leaves it. */
import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { cli } from "../support/cli.js";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { checkout } from "./pack.js";

const unit = join(checkout, "deploy", "systemd", "gantry.service");

/** Of 100, in tenths of what systemd says; what is left is the network and that addresses are not limited. */
const exposureMax = 15;

test("the unit is one that systemd accepts", { skip: needs("systemd-analyze") }, async () => {
  await using root = await temporaryFolder();
  // A root with systemd's own units and an installed gantry.
  const units = join(root.path, "usr", "lib", "systemd", "system");
  await cp("/usr/lib/systemd/system", units, { recursive: true, verbatimSymlinks: true });
  await cp(unit, join(units, "gantry.service"));
  await mkdir(join(root.path, "usr", "local", "bin"), { recursive: true });
  await writeFile(join(root.path, "usr", "local", "bin", "gantry"), "#!/bin/sh\n", { mode: 0o755 });
  await run("systemd-analyze", [`--root=${root.path}`, "verify", "gantry.service"]);
});

test("the unit leaves little in reach", { skip: needs("systemd-analyze") }, async () => {
  await run("systemd-analyze", ["security", "--offline=true", `--threshold=${exposureMax}`, unit]);
});

test("the server keeps to the system calls of the unit", {
  skip: needs("systemd-analyze", "strace"),
}, async () => {
  await using folder = await temporaryFolder();
  const trace = join(folder.path, "trace");
  // As a grandchild, the tracer leaves signals and the exit code to the server.
  const strace = ["strace", "-D", "-f", "-qq", "-o", trace, process.execPath, cli] as const;
  const gantry = await startGantry({}, join(folder.path, "store"), strace);
  const client = new Client(gantry.url);
  const name = newName();
  await client.pushImage(name, image(), "latest");
  await client.get(`/v2/${name}/manifests/latest`);
  await client.delete(`/v2/${name}/manifests/latest`);
  await gantry.stop();

  const allowed = await filtered(await readFile(unit, "utf8"));
  const lines = (await readFile(trace, "utf8")).split("\n");
  const called = new Set(lines.flatMap((line) => /^\d+ +(\w+)\(/.exec(line)?.[1] ?? []));
  assert.ok(called.has("fdatasync") && (called.has("link") || called.has("linkat")), "a push was traced");
  assert.deepEqual(
    [...called].filter((call) => !allowed.has(call)),
    [],
  );
});

/** The calls that the unit's filters leave: sets by name, and `~` before those that are taken out again. */
async function filtered(text: string): Promise<Set<string>> {
  const allowed = new Set<string>();
  for (const [, out, names = ""] of text.matchAll(/^SystemCallFilter=(~?)(.*)$/gm))
    for (const name of names.split(" "))
      for (const call of await callsOf(name)) out === "~" ? allowed.delete(call) : allowed.add(call);
  return allowed;
}

/** A set's calls, with those of the sets in it. */
async function callsOf(name: string): Promise<readonly string[]> {
  if (!name.startsWith("@")) return [name];
  const said = await run("systemd-analyze", ["--no-pager", "syscall-filter", name]);
  const members = said
    .split("\n")
    .slice(1)
    .map((line) => line.trim());
  const calls = await Promise.all(members.filter((member) => /^@?\w[\w-]*$/.test(member)).map(callsOf));
  return calls.flat();
}
