/** A separate containerd, driven by ctr, pushes an image, deletes it locally, pulls it back and runs it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { snapshotter, startContainerd } from "./containerd-daemon.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("containerd", "ctr", "runc", "busybox");

test("containerd: a pulled image is the pushed one, and runs", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  await using daemon = await startContainerd(folder.path);
  const ctr = (...args: string[]) => run("ctr", [...daemon.address, ...args]);

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
