/**
 * The container image, built by a real Docker daemon on Debian 13 with Node 24, and run like an operator would: as a user
 * other than root, on a read-only root file system.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Docker, needsDocker, startDocker } from "../clients/docker-daemon.js";
import { type Folder, run, temporaryFolder } from "../clients/support.js";
import { Remote } from "../clients/verify.js";
import { commandsOf, exampleOf } from "../documents/page.js";
import { freePort } from "../support/free-port.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";
import { checkout, copyCheckout } from "./pack.js";

const skip = needsDocker("debootstrap", "npm");

/** npm installs everything that the build needs, and the root of Debian 13 may have to be created first. */
const buildMillisecondsMax = 600_000;
/** The README's commands that build it and run it. */
const [buildCommand = "", runCommand = ""] = commandsOf({
  text: await exampleOf("README.md", "Install", "docker build"),
});
const image = "gantry";
const volume = "store";
const certificates = "/etc/ssl/certs/ca-certificates.crt";

let folder: Folder;
let daemon: Docker;

before(async () => {
  if (skip) return;
  folder = await temporaryFolder();
  daemon = await startDocker(folder.path);
  const root = await run(join(checkout, ".ci", "debian-13-root"), [], {
    millisecondsMax: buildMillisecondsMax,
  });
  await daemon.docker("import", root, "debian-13");
  await build(["--tag", "base", "--build-arg", "BASE=debian-13", "."], await npmSettings());
  const context = await mkdtemp(join(folder.path, "checkout-"));
  await copyCheckout(context);
  await build(["--build-arg", "BASE=base", ...buildCommand.split(" ").slice(2)], context);
});

after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Returns a context that adds this machine's npm settings to an image, which only this daemon ever sees. */
async function npmSettings(): Promise<string> {
  const context = await mkdtemp(join(folder.path, "npm-settings-"));
  const files = await Promise.all(
    ["globalconfig", "userconfig"].map((name) => run("npm", ["config", "get", name])),
  );
  const settings = await Promise.all(files.filter(existsSync).map((file) => readFile(file, "utf8")));
  await writeFile(join(context, "npmrc"), settings.join("\n"));
  await copyFile(certificates, join(context, "ca-certificates.crt"));
  await writeFile(
    join(context, "Dockerfile"),
    `ARG BASE
FROM \${BASE}
COPY npmrc /usr/local/etc/npmrc
COPY ca-certificates.crt ${certificates}
ENV NODE_EXTRA_CA_CERTS=${certificates}
`,
  );
  return context;
}

async function build(parameters: readonly string[], context: string): Promise<void> {
  const [program, ...connection] = daemon.command;
  // The network is for npm, and the host's is the only one that this daemon has.
  const args = [...connection, "build", "--network=host", ...parameters];
  await run(program, args, { cwd: context, millisecondsMax: buildMillisecondsMax });
}

/** The server in a container that is removed when it ends; `docker run` forwards its signals. */
function serve(settings: Readonly<Record<string, string>>): Promise<Gantry> {
  const variables = Object.keys(settings).flatMap((name) => ["--env", name]);
  const args = ["--rm", "--network=host", "--read-only", "--volume", `${volume}:/var/lib/registry`];
  return startGantry(settings, folder.path, [...daemon.command, "run", ...args, ...variables, image]);
}

test("the image has CNCF distribution's port, volume and store path", {
  skip,
}, async () => {
  const config = JSON.parse(await daemon.docker("inspect", "--format", "{{json .Config}}", image));
  assert.deepEqual(Object.keys(config.ExposedPorts), ["5000/tcp"]);
  assert.deepEqual(Object.keys(config.Volumes), ["/var/lib/registry"]);
  assert.ok(config.Env.includes("REGISTRY_HTTP_ADDR=:5000"));
  assert.ok(config.Env.includes("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/var/lib/registry"));
  assert.equal(config.User, "65532:65532");
});

test("the image has one binary of uWebSockets.js and no development tools", { skip }, async () => {
  const list = ["find", "/usr/local/lib/node_modules/gantry", "-name", "*.node", "-o", "-name", "typescript"];
  const found = await daemon.docker(
    "run",
    "--rm",
    "--network=none",
    "--entrypoint=/usr/bin/env",
    image,
    ...list,
  );
  const uws = found.split("\n").filter((path) => path.includes("/uws_"));
  assert.equal(uws.length, 1, found);
  assert.doesNotMatch(found, /typescript/);
});

test("a container serves its own image, and exits with 0 when stopped; the next one has all content", {
  skip,
}, async () => {
  const port = await freePort();
  const settings = { REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` };
  const name = `127.0.0.1:${port}/gantry/gantry:latest`;
  const { docker } = daemon;
  await docker("tag", image, name);

  const first = await serve(settings);
  await docker("push", name);
  const pushed = await new Remote(first.url, "gantry/gantry").verify("latest");
  await first.stop();

  await docker("rmi", name);
  await using second = await serve(settings);
  await docker("pull", name);
  assert.equal((await new Remote(second.url, "gantry/gantry").verify("latest")).digest, pushed.digest);
  assert.equal(
    await docker("inspect", "--format", "{{.Id}}", name),
    await docker("inspect", "--format", "{{.Id}}", image),
  );
});

test("the command of the README runs it", { skip }, async () => {
  const port = await freePort();
  // The host's network publishes the port, because this daemon has no other.
  const network = ["--network=host", "--env", `REGISTRY_HTTP_ADDR=127.0.0.1:${port}`];
  const words = runCommand
    .replace(/ --publish \S+/, "")
    .split(" ")
    .slice(2);
  const container = await daemon.docker("run", ...network, ...words);
  await eventually(
    "it answers",
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      return answer?.ok || undefined;
    },
    30_000,
  );
  await daemon.docker("stop", container);
  assert.equal(await daemon.docker("inspect", "--format", "{{.State.ExitCode}}", container), "0");
  await daemon.docker("rm", container);
});

test("the health check distinguishes a responding server from another", { skip }, async () => {
  const { docker } = daemon;
  const debug = `127.0.0.1:${await freePort()}`;
  await using _gantry = await serve({
    REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
    REGISTRY_HTTP_DEBUG_ADDR: debug,
  });
  const container = await docker("ps", "--quiet");
  const check = JSON.parse(await docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", image));
  assert.equal(check[0], "CMD");
  await docker("exec", container, ...check.slice(1));
  const asking = (name: string, address: string) =>
    docker("exec", "--env", `${name}=${address}`, container, ...check.slice(1));
  const nobodyThere = `127.0.0.1:${await freePort()}`;
  await asking("REGISTRY_HTTP_ADDR", nobodyThere);
  await assert.rejects(asking("REGISTRY_HTTP_DEBUG_ADDR", nobodyThere), /ECONNREFUSED/);
});
