/** A separate Docker daemon pushes an image, deletes it locally, pulls it back and runs it. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { needsDocker, startDocker } from "./docker-daemon.js";
import { runnableTar, uniqueText } from "./images.js";
import { temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needsDocker("busybox");

test("docker: a pulled image is the pushed one, and runs", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  await using daemon = await startDocker(folder.path);
  const { docker } = daemon;

  const greeting = uniqueText();
  const tar = join(folder.path, "root.tar");
  await writeFile(tar, await runnableTar(greeting));
  const image = `${registry.host}/docker/image:latest`;
  await docker("import", tar, image);
  await docker("push", image);
  const pushed = await new Remote(registry.url, "docker/image").verify("latest");

  await docker("rmi", image);
  await docker("pull", image);
  const known = await docker("inspect", "--format", "{{index .RepoDigests 0}}", image);
  assert.equal(known, `${registry.host}/docker/image@${pushed.digest}`);
  const said = await docker("run", "--rm", "--network=none", image, "/bin/busybox", "cat", "/greeting");
  assert.equal(said, greeting);

  // A second repository gets its layers by mounts, and the digest is requested by name.
  const other = `${registry.host}/docker/other:latest`;
  await docker("tag", image, other);
  await docker("push", other);
  await docker("pull", `${registry.host}/docker/other@${pushed.digest}`);
  assert.equal(await new Remote(registry.url, "docker/other").digest("latest"), pushed.digest);
});
