/** The unit, as systemd reads it, and the server within the system calls that the unit permits. */
import assert from "node:assert/strict";
import { cp, mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { commandsOf, exampleOf } from "../documents/page.js";
import { cli } from "../support/cli.js";
import { Client } from "../support/client.js";
import { gantryProcess as gantry } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { checkout } from "./pack.js";

const unit = join(checkout, "deploy", "systemd", "gantry.service");

/** In tenths of systemd's exposure; the rest is the network, and addresses without limits. */
const exposureMax = 15;

test("systemd accepts the unit", { skip: needs("systemd-analyze") }, async () => {
  await using root = await temporaryFolder();
  // A root file system with systemd's own units and an installed gantry.
  const units = join(root.path, "usr", "lib", "systemd", "system");
  await cp("/usr/lib/systemd/system", units, { recursive: true, verbatimSymlinks: true });
  await cp(unit, join(units, "gantry.service"));
  await mkdir(join(root.path, "usr", "local", "bin"), { recursive: true });
  await writeFile(join(root.path, "usr", "local", "bin", "gantry"), "#!/bin/sh\n", { mode: 0o755 });
  await run("systemd-analyze", [`--root=${root.path}`, "verify", "gantry.service"]);
});

test("the commands of the README install it, with settings that a server can start with", {
  skip: needs("systemctl"),
}, async () => {
  await using root = await temporaryFolder();
  const commands = commandsOf({ text: await exampleOf("README.md", "Install", "cp deploy/systemd") });
  await mkdir(join(root.path, "etc", "systemd", "system"), { recursive: true });
  for (const command of commands) {
    const below = command.replaceAll(" /etc/", ` ${root.path}/etc/`);
    // Without a running systemd it can be enabled, but not started.
    await run(
      "sh",
      ["-c", below.replace(/^systemctl enable --now/, `systemctl --root=${root.path} enable`)],
      {
        cwd: checkout,
      },
    );
  }
  const wanted = join(root.path, "etc", "systemd", "system", "multi-user.target.wants", "gantry.service");
  assert.equal(await readlink(wanted), "/etc/systemd/system/gantry.service");
  const written = await readFile(join(root.path, "etc", "gantry", "environment"), "utf8");
  const settings = Object.fromEntries([
    ...settingsIn(await readFile(unit, "utf8"), /^Environment=(\w+)=(.*)$/gm),
    ...settingsIn(written, /^(\w+)=(.*)$/gm),
  ]);
  assert.ok("REGISTRY_HTTP_ADDR" in settings && "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY" in settings);
  const { code, stderr } = await gantry("", ["config", "check"], settings);
  assert.equal(code, 0, stderr);
});

function settingsIn(text: string, line: RegExp): [string, string][] {
  return Array.from(text.matchAll(line), ([, name = "", value = ""]) => [name, value]);
}

test("the unit restricts access", { skip: needs("systemd-analyze") }, async () => {
  await run("systemd-analyze", ["security", "--offline=true", `--threshold=${exposureMax}`, unit]);
});

test("the server uses only the unit's system calls", {
  skip: needs("systemd-analyze", "strace"),
}, async () => {
  await using folder = await temporaryFolder();
  const trace = join(folder.path, "trace");
  // With the tracer as a grandchild, the server gets the signals and returns the exit code.
  const strace = ["strace", "-D", "-f", "-qq", "-o", trace, process.execPath, cli] as const;
  const server = await startGantry({}, join(folder.path, "store"), strace);
  const client = new Client(server.url);
  const name = newName();
  await client.pushImage(name, image(), "latest");
  await client.get(`/v2/${name}/manifests/latest`);
  await client.delete(`/v2/${name}/manifests/latest`);
  await server.stop();

  const allowed = await filtered(await readFile(unit, "utf8"));
  const lines = (await readFile(trace, "utf8")).split("\n");
  const called = new Set(lines.flatMap((line) => /^\d+ +(\w+)\(/.exec(line)?.[1] ?? []));
  assert.ok(called.has("fdatasync") && (called.has("link") || called.has("linkat")), "a push was traced");
  assert.deepEqual(
    [...called].filter((call) => !allowed.has(call)),
    [],
  );
});

/** The calls that the unit's filters permit: sets by name, and `~` before sets that are excluded again. */
async function filtered(text: string): Promise<Set<string>> {
  const allowed = new Set<string>();
  for (const [, out, names = ""] of text.matchAll(/^SystemCallFilter=(~?)(.*)$/gm))
    for (const name of names.split(" "))
      for (const call of await callsOf(name)) out === "~" ? allowed.delete(call) : allowed.add(call);
  return allowed;
}

/** Returns a set's calls, including those of nested sets. */
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
