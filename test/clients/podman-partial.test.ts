/** podman pulls only the missing parts of a zstd:chunked layer, with hundreds of ranges in one request. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";
import { tarOf, writeImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";

const files = 3000;
const nameOf = (number: number) => `file-${String(number).padStart(4, "0")}`;
const bytesOf = (number: number) => 3000 + ((number * 37) % 9000);

interface Line {
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly sent?: number;
}

test("podman pulls only the changed parts of a layer", { skip: needs("podman", "skopeo") }, async () => {
  await using folder = await temporaryFolder();
  await using gantry = await startGantry();
  const before = Array.from({ length: files }, (_, number) => randomBytes(bytesOf(number)));
  // Every other file is new, so that no two ranges can be merged.
  const after = before.map((bytes, number) => (number % 2 === 0 ? randomBytes(bytes.length) : bytes));
  const image = `${gantry.host}/team/app`;
  for (const [tag, contents] of [
    ["before", before],
    ["after", after],
  ] as const) {
    const layout = join(folder.path, tag);
    await writeImage(layout, [
      tarOf(Object.fromEntries(contents.map((bytes, number) => [nameOf(number), bytes]))),
    ]);
    const source = `oci:${layout}:latest`;
    const compressed = ["--dest-compress-format", "zstd:chunked", "--dest-tls-verify=false"];
    await run("skopeo", ["--insecure-policy", "copy", ...compressed, source, `docker://${image}:${tag}`]);
  }

  const settings = join(folder.path, "storage.conf");
  await writeFile(
    settings,
    `[storage]
driver = "overlay"
runroot = "${folder.path}/run"
graphroot = "${folder.path}/root"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}
`,
  );
  const podman = (...args: string[]) =>
    run("podman", ["--cgroup-manager=cgroupfs", ...args], { env: { CONTAINERS_STORAGE_CONF: settings } });
  const lines = (): Line[] =>
    gantry
      .log()
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as Line);

  // The table of contents comes first; its log line may be written a moment after the pull.
  const contentBytes = before.reduce((sum, { length }) => sum + length, 0);
  await podman("pull", "--quiet", "--tls-verify=false", `${image}:before`);
  const wholes = await eventually("the first pull", async () => {
    const sent = lines().filter(({ method, status }) => method === "GET" && status === 206);
    return sent.some(({ sent: bytes = 0 }) => bytes > contentBytes / 2) ? sent : undefined;
  });
  const whole = Math.max(...wholes.map(({ sent = 0 }) => sent));
  await podman("pull", "--quiet", "--tls-verify=false", `${image}:after`);
  const parts = await eventually("the second pull", async () => {
    const sent = lines().filter(({ method, status }) => method === "GET" && status === 206);
    const parts = sent.slice(wholes.length);
    return parts.some(({ sent: bytes = 0 }) => bytes > whole / 3) ? parts : undefined;
  });
  const part = Math.max(...parts.map(({ sent = 0 }) => sent));
  assert.ok(part > whole / 3 && part < (whole * 2) / 3, `${part} of ${whole} bytes were sent`);
  assert.deepEqual(
    lines().filter(({ status = 0 }) => status === 416 || status === 431),
    [],
  );

  const mounted = await podman("image", "mount", `${image}:after`);
  try {
    for (const [number, bytes] of after.entries())
      assert.ok((await readFile(join(mounted, nameOf(number)))).equals(bytes), nameOf(number));
  } finally {
    await podman("image", "unmount", `${image}:after`);
    await podman("rmi", "--all", "--force");
  }
});
