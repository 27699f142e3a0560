/**
 * A containerd of its own, driven by ctr, pushes an image, forgets it, pulls it back and runs it.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { needs, run, startDaemon, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("containerd", "ctr", "runc", "busybox");

/** The native snapshotter copies, and so works on every file system; the CRI plugin wants a network. */
const snapshotter = "--snapshotter=native";

function configuration(folder: string): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/grpc.sock"
[ttrpc]
  address = "${folder}/ttrpc.sock"
`;
}

test("containerd: what is pulled is what was pushed, and runs", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const ctr = (...args: string[]) => run("ctr", ["--address", join(folder.path, "grpc.sock"), ...args]);
  const config = join(folder.path, "config.toml");
  await writeFile(config, configuration(folder.path));
  await using _daemon = await startDaemon("containerd", ["--config", config], () => ctr("version"));

  const greeting = uniqueText();
  const layout = join(folder.path, "layout");
  const digest = await writeImage(layout, [await runnableTar(greeting)]);
  const archive = join(folder.path, "image.tar");
  await run("tar", ["-C", layout, "-cf", archive, "oci-layout", "index.json", "blobs"]);

  const image = `${registry.host}/containerd/image:latest`;
  await ctr("images", "import", snapshotter, "--base-name", "local/image", archive);
  await ctr("images", "tag", "local/image:latest", image);
  await ctr("images", "push", "--plain-http", image);
  assert.equal((await new Remote(registry.url, "containerd/image").verify("latest")).digest, digest);

  await ctr("images", "rm", "--sync", image, "local/image:latest");
  await ctr("images", "pull", "--plain-http", snapshotter, image);
  const listed = await ctr("images", "ls", `name==${image}`);
  assert.ok(listed.includes(digest), listed);
  const said = await ctr("run", "--rm", snapshotter, image, "greeter", "/bin/busybox", "cat", "/greeting");
  assert.equal(said, greeting);
});
