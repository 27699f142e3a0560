/**
 * Runs the commands of the documents as written, page by page and in order, each page on a machine with only the checkout.
 * Skips those that other tests run.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runnableTar, writeImage } from "../clients/images.js";
import { needs, temporaryFolder } from "../clients/support.js";
import { checkout, copyCheckout } from "../packaging/pack.js";
import { cli } from "../support/cli.js";
import { Machine, provideGantry } from "./machine.js";
import { commandsOf, type Example, examplesOf, pages } from "./page.js";

const skip = needs("unshare", "ip", "npm", "dockerd", "docker", "skopeo", "htpasswd", "openssl", "rsync");

/** The maximum time that a new user, who only follows the README, should need. */
const firstPushSecondsMax = 120;

/** A page that installs Gantry itself has no other `gantry` before. */
const installs = (examples: readonly Example[]) =>
  examples.some(({ text }) => text.includes("npm install --global"));
const uses = (program: string, examples: readonly Example[]) =>
  examples.some((example) => commandsOf(example).some((command) => command.startsWith(`${program} `)));

/** A machine that starts with a copy of the checkout, and Docker if the page needs it. */
async function machineFor(examples: readonly Example[], folder: string): Promise<Machine> {
  const [copy, hub, bin] = [join(folder, "gantry"), join(folder, "hub"), join(folder, "prefix", "bin")];
  for (const made of [copy, hub, bin]) await mkdir(made, { recursive: true });
  await copyCheckout(copy);
  if (!installs(examples)) await provideGantry(bin);
  const machine = await Machine.start({
    folder,
    cwd: copy,
    bin,
    variables: {
      // npm's packages come from the checkout's own installation.
      npm_config_offline: "true",
      npm_config_prefix: join(folder, "prefix"),
      HUB: hub,
      GANTRY_BUILT: cli,
    },
  });
  if (uses("docker", examples)) {
    await writeImage(join(hub, "busybox"), [await runnableTar("busybox")]);
    await machine.run(`. ${join(checkout, "test", "documents", "docker.sh")}`);
  }
  return machine;
}

for (const page of await pages()) {
  const examples = (await examplesOf(page)).filter(
    ({ language, test: by }) => language === "sh" && (by === undefined || by === "server"),
  );
  if (examples.length > 0)
    test(`the commands of ${page} do what they say`, { skip }, async (context) => {
      await using folder = await temporaryFolder();
      await using machine = await machineFor(examples, folder.path);
      const began = performance.now();
      const secondsUntil = new Map<Example, number>();
      for (const example of examples) {
        const { line, text, test: by } = example;
        await context.test(`line ${line}: ${text.trim().split("\n").at(-1)}`, async () => {
          if (by === "server") await machine.serve(text);
          else await machine.run(text);
        });
        secondsUntil.set(example, (performance.now() - began) / 1000);
      }
      if (page === "README.md")
        await context.test("a new user has pushed within two minutes", () => {
          const push = examples.find(({ text }) => text.includes("docker push"));
          const seconds = push && secondsUntil.get(push);
          assert.ok(seconds !== undefined && seconds < firstPushSecondsMax, `it took ${seconds} s`);
        });
    });
}
