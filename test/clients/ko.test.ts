/**
 * ko builds a Go program onto a base image of the registry for two platforms, with a login, and pushes it with its bill
 * of materials.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { startPrivateRegistry } from "./private-registry.js";
import { needs, run, temporaryFolder } from "./support.js";

const skip = needs("ko", "go", "crane", "chroot");
const files = await LoginFiles.make();

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
  }[];
}

test("ko: a program built and pushed for two platforms runs, with its base and its bill of materials", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startPrivateRegistry(files, folder.path);
  const baseText = uniqueText();
  const layout = join(folder.path, "base");
  await writeMultiPlatformImage(layout, baseText);
  const base = `${registry.host}/bases/ko:latest`;
  await registry.run("crane", ["push", layout, base]);

  const source = join(folder.path, "source");
  await mkdir(source);
  const greeting = uniqueText();
  await writeFile(join(source, "go.mod"), "module example.com/greeter\n\ngo 1.20\n");
  await writeFile(join(source, "main.go"), `package main\n\nfunc main() { println("${greeting}") }\n`);
  const env = { KO_DOCKER_REPO: `${registry.host}/built/greeter`, KO_DEFAULTBASEIMAGE: base, GOFLAGS: "" };
  const build = ["build", "--bare", "--insecure-registry", "--platform=linux/amd64,linux/arm64", "."];
  await assert.rejects(registry.runWithoutLogin("ko", build, { cwd: source, env }), /unauthorized/i);
  const image = await registry.run("ko", build, { cwd: source, env });

  const remote = registry.remote("built/greeter");
  const { digest } = await remote.verify("latest");
  assert.equal(image, `${registry.host}/built/greeter@${digest}`);
  const { manifests } = (await remote.json(`manifests/${digest}`)) as Index;
  assert.deepEqual(manifests.map(({ platform }) => platform.architecture).sort(), ["amd64", "arm64"]);
  for (const { digest } of manifests) await remote.verify(`${digest.replace(":", "-")}.sbom`);

  const root = join(folder.path, "root");
  await mkdir(root);
  const archive = join(folder.path, "root.tar");
  await registry.run("crane", ["export", "--platform=linux/amd64", image, archive]);
  await run("tar", ["-C", root, "-xf", archive]);
  assert.equal(await run("cat", [join(root, "base")]), baseText);
  // println writes to standard error.
  const said = await run("sh", ["-c", 'exec chroot "$1" /ko-app/greeter 2>&1', "sh", root]);
  assert.equal(said, greeting);
});
