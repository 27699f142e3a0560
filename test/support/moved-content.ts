// Content that real clients push to a registry before it is imported elsewhere, and that must be served there: an index with
// its platforms in two repositories, an image that has lost its tag, and an artifact with a referrer.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tarOf, uniqueText, writeImage, writeMultiPlatformImage } from "../clients/images.js";
import { run } from "../clients/support.js";
import { Remote } from "../clients/verify.js";

export interface Pushed {
  readonly multi: string;
  readonly untagged: string;
  readonly retagged: string;
  readonly artifact: string;
  readonly signature: string;
}

/** Pushes an index into two repositories, two images with one tag, and an artifact with a referrer. */
export async function fill(folder: string, host: string): Promise<Pushed> {
  const multi = await writeMultiPlatformImage(join(folder, "multi"), uniqueText());
  for (const name of ["team/app", "team/app-copy"])
    for (const tag of ["v1", "v2"])
      await run("oras", [
        "cp",
        "--from-oci-layout",
        "--to-plain-http",
        `${join(folder, "multi")}:latest`,
        `${host}/${name}:${tag}`,
      ]);
  const digests: string[] = [];
  for (const name of ["first", "second"]) {
    digests.push(await writeImage(join(folder, name), [tarOf({ name: randomBytes(25_000_000) })]));
    await run("crane", ["--insecure", "push", join(folder, name), `${host}/tools/lint:latest`]);
  }
  const oras = (...args: string[]) => run("oras", args, { cwd: folder, env: { DOCKER_CONFIG: folder } });
  await writeFile(join(folder, "note"), uniqueText());
  const type = ["--plain-http", "--artifact-type", "application/vnd.example.signature"];
  await oras("push", ...type, `${host}/oras/artifact:v1`, "note");
  await oras("attach", ...type, `${host}/oras/artifact:v1`, "note");
  const artifact = await new Remote(`http://${host}`, "oras/artifact").digest("v1");
  const discovered = JSON.parse(
    await oras("discover", "--plain-http", "--format=json", `${host}/oras/artifact:v1`),
  ) as { referrers: { digest: string }[] };
  const signature = discovered.referrers[0]?.digest ?? "";
  // So that the tag has a time of its last pull.
  await new Remote(`http://${host}`, "team/app").verify("v1");
  const [untagged = "", retagged = ""] = digests;
  return { multi, untagged, retagged, artifact, signature };
}

/** Pulls everything, and compares each byte. */
export async function assertServed(url: string, pushed: Pushed): Promise<void> {
  for (const [name, reference, digest] of [
    ["team/app", "v1", pushed.multi],
    ["team/app", "v2", pushed.multi],
    ["team/app-copy", "v1", pushed.multi],
    ["tools/lint", "latest", pushed.retagged],
    ["tools/lint", pushed.untagged, pushed.untagged],
    ["oras/artifact", "v1", pushed.artifact],
    ["oras/artifact", pushed.signature, pushed.signature],
  ] as const)
    assert.equal((await new Remote(url, name).verify(reference)).digest, digest, `${name} ${reference}`);
  assert.deepEqual(await new Remote(url, "oras/artifact").referrers(pushed.artifact), [pushed.signature]);
  const catalog = (await (await fetch(`${url}/v2/_catalog`)).json()) as { repositories: string[] };
  assert.deepEqual(catalog.repositories, ["oras/artifact", "team/app", "team/app-copy", "tools/lint"]);
}
