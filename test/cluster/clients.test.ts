/**
 * Real clients push to a node over an S3 server and pull from it, with pulls that are redirected to the store and with pulls
 * through the node.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { writeMultiPlatformImage } from "../clients/images.js";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { Remote } from "../clients/verify.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

interface RealClient {
  readonly name: string;
  /** Pushes the layout's tag `latest`, which has this digest, and pulls it into `back`. */
  readonly roundTrip: (layout: string, image: string, back: string, digest: string) => Promise<void>;
}

const clients: readonly RealClient[] = [
  {
    name: "crane",
    async roundTrip(layout, image, back, digest) {
      await run("crane", ["--insecure", "push", "--index", layout, image]);
      // crane wraps the layout's index.json; the index is the one named there.
      const pushed = `${image.slice(0, image.lastIndexOf(":"))}@${digest}`;
      await run("crane", ["--insecure", "validate", "--remote", pushed]);
      await run("crane", ["--insecure", "pull", "--format=oci", pushed, back]);
    },
  },
  {
    name: "regctl",
    async roundTrip(layout, image, back) {
      const [host = ""] = image.split("/");
      const regctl = (...args: string[]) =>
        run("regctl", ["--host", `reg=${host},tls=disabled`, ...args], {
          env: { REGCTL_CONFIG: `${back}.json` },
        });
      await regctl("image", "copy", `ocidir://${layout}:latest`, image);
      await regctl("image", "copy", image, `ocidir://${back}:latest`);
    },
  },
  {
    name: "oras",
    async roundTrip(layout, image, back) {
      await run("oras", ["cp", "--from-oci-layout", "--to-plain-http", `${layout}:latest`, image]);
      await run("oras", ["cp", "--from-plain-http", "--to-oci-layout", image, `${back}:latest`]);
    },
  },
  {
    name: "skopeo",
    async roundTrip(layout, image, back) {
      const skopeo = (...args: string[]) => run("skopeo", ["--insecure-policy", ...args]);
      const there = `docker://${image}`;
      await skopeo("copy", "--all", "--dest-tls-verify=false", `oci:${layout}:latest`, there);
      await skopeo("copy", "--all", "--src-tls-verify=false", there, `oci:${back}:latest`);
    },
  },
];

/** Smaller blobs are sent from memory. */
const layerBytes = 300_000;

for (const redirects of [true, false]) {
  for (const { name, roundTrip } of clients) {
    test(`${name} pushes and pulls, ${redirects ? "redirected to the store" : "through the node"}`, {
      skip: needsVersitygw || needs(name),
    }, async () => {
      await using folder = await temporaryFolder();
      await using server = await startS3Server();
      await using node = await startS3Node(server, {
        settings: { REGISTRY_STORAGE_REDIRECT_DISABLE: String(!redirects) },
      });
      const layout = join(folder.path, "layout");
      const digest = await writeMultiPlatformImage(layout, randomBytes(layerBytes).toString("hex"));
      const back = join(folder.path, "back");
      await roundTrip(layout, `${node.host}/clients/image:latest`, back, digest);
      const signed = (await server.requests()).filter(({ path }) => path.includes("X-Amz-Signature="));
      assert.equal(signed.length > 0, redirects, `${signed.length} pulls from the store`);
      assert.ok((await readFile(join(back, "index.json"), "utf8")).includes(digest));
      const { compared } = await new Remote(node.url, "clients/image").verify(digest);
      assert.equal(compared, 1 + 3 * 4, "an index, and three images of a manifest, a config and two layers");
    });
  }
}
