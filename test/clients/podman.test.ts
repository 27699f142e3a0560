/** podman, with a separate store, pushes an image, deletes it locally, pulls it back and runs it. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { runnableTar, uniqueText } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("podman", "busybox");

test("podman: a pulled image is the pushed one, and runs", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const store = [
    ...["--root", join(folder.path, "root"), "--runroot", join(folder.path, "run")],
    ...["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"],
  ];
  const podman = (...args: string[]) => run("podman", [...store, ...args]);

  const greeting = uniqueText();
  const tar = join(folder.path, "root.tar");
  await writeFile(tar, await runnableTar(greeting));
  const image = `${registry.host}/podman/image:latest`;
  await podman("import", tar, image);
  await podman("push", "--tls-verify=false", image);
  const pushed = await new Remote(registry.url, "podman/image").verify("latest");

  await podman("rmi", image);
  await podman("pull", "--tls-verify=false", image);
  assert.equal(await podman("inspect", "--format", "{{.Digest}}", image), pushed.digest);
  // podman would raise its limits, which some sandboxes refuse to root; these are low enough for any.
  const container = ["--rm", "--network=none", "--ulimit=nofile=1024", "--ulimit=nproc=1024", image];
  const said = await podman("run", ...container, "/bin/busybox", "cat", "/greeting");
  assert.equal(said, greeting);
});
