/** regctl copies a multi-platform image to the registry and back, attaches an artifact and finds it by referrers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("regctl");

test("regctl: images, artifacts, referrers and tags are pushed and deleted", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const options = {
    env: { REGCTL_CONFIG: join(folder.path, "config.json") },
    input: uniqueText(),
  };
  const regctl = (...args: string[]) =>
    run("regctl", ["--host", `reg=${registry.host},tls=disabled`, ...args], options);

  const layout = join(folder.path, "layout");
  const digest = await writeMultiPlatformImage(layout, uniqueText());
  const image = `${registry.host}/regctl/image:latest`;
  await regctl("image", "copy", `ocidir://${layout}:latest`, image);
  const remote = new Remote(registry.url, "regctl/image");
  assert.equal((await remote.verify("latest")).digest, digest);

  const type = "application/vnd.example.note";
  await regctl("artifact", "put", "--artifact-type", type, "--subject", image);
  const listed = await regctl(
    "artifact",
    "list",
    image,
    "--format",
    "{{range .Descriptors}}{{.Digest}}{{end}}",
  );
  assert.deepEqual(await remote.referrers(digest), [listed]);
  assert.equal(await regctl("artifact", "get", "--subject", image), options.input);

  const back = `ocidir://${join(folder.path, "back")}:latest`;
  await regctl("image", "copy", "--referrers", image, back);
  assert.equal(await regctl("image", "digest", back), digest);

  await regctl("tag", "delete", image);
  assert.equal(await regctl("tag", "ls", `${registry.host}/regctl/image`), "");
  assert.equal((await remote.verify(digest)).digest, digest, "deleting a tag keeps the manifest");
});
