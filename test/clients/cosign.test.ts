/**
 * cosign signs an image and an attestation about it with its own key, and verifies both, in each way to store a signature in
 * a registry. It uses no external service: no transparency log, no download of trusted roots.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { tarOf, uniqueText, writeImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("cosign", "crane");

interface Mode {
  readonly name: string;
  readonly sign: readonly string[];
  readonly verify: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Number of the image's referrers after signing. */
  readonly referrers: number;
}

const modes: readonly Mode[] = [
  { name: "under a tag made of the digest", sign: [], verify: [], referrers: 0 },
  {
    name: "as a referrer",
    sign: ["--registry-referrers-mode=oci-1-1"],
    verify: ["--experimental-oci11"],
    env: { COSIGN_EXPERIMENTAL: "1" },
    referrers: 1,
  },
  {
    name: "as a bundle that is a referrer",
    sign: ["--new-bundle-format"],
    verify: ["--new-bundle-format", "--trusted-root=trusted.json"],
    referrers: 1,
  },
];

/** Trusts only the given key. */
const trustedRoot = { mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1" };

for (const mode of modes) {
  test(`cosign: a signature stored ${mode.name} is valid for its key only`, { skip }, async () => {
    await using folder = await temporaryFolder();
    await using registry = await startGantry();
    const env = {
      ...{ COSIGN_PASSWORD: "", HOME: folder.path, DOCKER_CONFIG: folder.path },
      SIGSTORE_REKOR_PUBLIC_KEY: "none", // any value keeps cosign from asking for trusted roots over the network
      ...mode.env,
    };
    const cosign = (...args: string[]) => run("cosign", args, { cwd: folder.path, env });

    const layout = join(folder.path, "layout");
    const digest = await writeImage(layout, [tarOf({ text: uniqueText() })]);
    const image = `${registry.host}/cosign/image@${digest}`;
    await run("crane", ["push", layout, `${registry.host}/cosign/image:latest`]);

    await writeFile(join(folder.path, "trusted.json"), JSON.stringify(trustedRoot));
    await cosign("generate-key-pair");
    await cosign("generate-key-pair", "--output-key-prefix=other");
    const signing = ["--key=cosign.key", "--tlog-upload=false", "--yes", "--allow-http-registry"];
    const verifying = ["--insecure-ignore-tlog", "--allow-http-registry", ...mode.verify];
    await cosign("sign", ...signing, ...mode.sign, image);
    const verified = await cosign("verify", "--key=cosign.pub", ...verifying, image);
    assert.ok(verified.includes(digest), verified);
    await assert.rejects(
      cosign("verify", "--key=other.pub", ...verifying, image),
      /no (matching )?(signatures|attestations)/,
    );

    const remote = new Remote(registry.url, "cosign/image");
    const referrers = await remote.referrers(digest);
    assert.equal(referrers.length, mode.referrers);
    for (const referrer of referrers) await remote.verify(referrer);

    await writeFile(join(folder.path, "predicate.json"), JSON.stringify({ text: uniqueText() }));
    const bundle = mode.sign.filter((flag) => flag === "--new-bundle-format");
    await cosign("attest", ...signing, ...bundle, "--type=custom", "--predicate=predicate.json", image);
    await cosign("verify-attestation", "--key=cosign.pub", "--type=custom", ...verifying, image);
    assert.equal((await remote.verify(digest)).digest, digest, "signing does not change the image");
  });
}
