/** buildah builds an image, pushes it in both formats, deletes it locally, pulls it back and runs it. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { runnableTar, uniqueText } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("buildah", "busybox");

for (const format of ["oci", "v2s2"]) {
  test(`buildah: a built image in the format ${format} is pushed, pulled and runs`, {
    skip,
  }, async () => {
    await using folder = await temporaryFolder();
    await using registry = await startGantry();
    const store = ["--root", join(folder.path, "root"), "--runroot", join(folder.path, "run")];
    const buildah = (...args: string[]) => run("buildah", [...store, "--storage-driver=vfs", ...args]);

    const greeting = uniqueText();
    const context = join(folder.path, "context");
    await mkdir(context);
    await writeFile(join(context, "root.tar"), await runnableTar(greeting));
    await writeFile(join(context, "Containerfile"), "FROM scratch\nADD root.tar /\n");
    const image = `${registry.host}/buildah/image:latest`;
    await buildah("bud", "--tag", image, context);
    await buildah("push", "--tls-verify=false", "--format", format, image);
    const pushed = await new Remote(registry.url, "buildah/image").verify("latest");

    await buildah("rmi", image);
    await buildah("pull", "--tls-verify=false", image);
    assert.equal(
      await buildah("inspect", "--type=image", "--format", "{{.FromImageDigest}}", image),
      pushed.digest,
    );
    const container = await buildah("from", "--pull-never", image);
    const said = await buildah(
      "run",
      "--isolation=chroot",
      container,
      "--",
      "/bin/busybox",
      "cat",
      "/greeting",
    );
    assert.equal(said, greeting);
    await buildah("rm", "--all");
  });
}
