/**
 * BuildKit's stargz snapshotter mounts an eStargz image of the registry with FUSE, and fetches only what a build reads, by
 * ranges, instead of whole layers.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { frontOf } from "../support/front.js";
import { startGantry } from "../support/gantry.js";
import { Buildkit, needsBuildkit } from "./buildkit-daemon.js";
import { digestOf, runnableTar, uniqueText } from "./images.js";
import { run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needsBuildkit("busybox");

const bigBytes = 8 * 1024 * 1024;

/** Only requested bytes are fetched: none ahead or in the background. */
const settings = `[worker.oci.stargzSnapshotter]
noprefetch = true
no_background_fetch = true
`;

interface Answered {
  readonly path: string;
  readonly status: number;
  /** Including its headers. */
  readonly bytes: number;
}

interface ImageManifest {
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

test("stargz: a build on an eStargz image fetches only what it reads, by ranges", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  await using buildkit = await Buildkit.start(folder.path, { snapshotter: "stargz", settings });
  const [greeting, big] = [uniqueText(), randomBytes(bigBytes)];
  const how = "push=true,compression=estargz,force-compression=true,oci-mediatypes=true";
  await buildkit.build(
    run,
    {
      Dockerfile: "FROM scratch\nADD root.tar /\nCOPY big little /\n",
      ...{ "root.tar": await runnableTar(greeting), big, little: greeting },
    },
    ...["--output", `type=image,name=${registry.host}/lazy/image:latest,${how}`],
  );
  await buildkit.forget();

  const answered: Answered[] = [];
  const front = await frontOf(registry.url, {
    hook({ method, url = "", socket }, response) {
      const before = socket.bytesWritten;
      response.once("finish", () => {
        const bytes = socket.bytesWritten - before;
        if (method === "GET") answered.push({ path: url, status: response.statusCode, bytes });
      });
      return false;
    },
  });
  const remote = new Remote(registry.url, "lazy/image");
  const [, layer] = ((await remote.json("manifests/latest")) as ImageManifest).layers;
  assert.ok(layer !== undefined && layer.size > bigBytes, "the second layer has the big file");
  /** Bytes of the second layer; clears the record. */
  const fetched = () =>
    answered.splice(0).filter(({ path }) => path.startsWith(`/v2/lazy/image/blobs/${layer.digest}`));
  const read = (command: string) =>
    buildkit.buildFile("read", run, {
      Dockerfile: `FROM ${front.host}/lazy/image:latest AS first\nRUN ["/bin/busybox", "sh", "-c", "/bin/busybox ${command} > /read"]\nFROM scratch\nCOPY --from=first /read /\n`,
    });
  const sum = (answers: readonly Answered[]) => answers.reduce((total, { bytes }) => total + bytes, 0);

  assert.equal(await read("cat /little"), greeting);
  const little = fetched();
  assert.ok(little.length > 0);
  assert.deepEqual([...new Set(little.map(({ status }) => status))], [206]);
  assert.ok(sum(little) < bigBytes / 8, `fetched ${sum(little)} bytes for a file of ${greeting.length}`);

  assert.equal((await read("sha256sum /big")).split(" ")[0], digestOf(big).slice("sha256:".length));
  const all = fetched();
  assert.deepEqual([...new Set(all.map(({ status }) => status))], [206]);
  assert.ok(sum(all) > bigBytes * 0.9, `fetched ${sum(all)} bytes for the big file`);
});
