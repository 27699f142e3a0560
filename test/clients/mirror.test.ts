/**
 * Real clients pull through the cache with the settings of docs/mirror.md, and pull again after the upstream registries have
 * stopped. No traffic can leave the machine: its network has no other.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { buildkit, type ClientKind, containerd, crane, docker, podman, skopeo } from "./mirror-clients.js";
import { example } from "./mirror-place.js";
import { containerdNode, crio } from "./mirror-runtimes.js";
import { Mirror, needsMirror, type Pushed, type UpstreamName } from "./mirror-setup.js";
import { needs } from "./support.js";

const kinds: readonly ClientKind[] = [
  docker,
  containerd,
  containerdNode,
  crio,
  buildkit,
  podman,
  skopeo,
  crane,
];
const images: readonly (readonly [UpstreamName, string])[] = [
  ["docker.io", "library/tool:1"],
  ["docker.io", "org/tool:1"],
  ["ghcr.io", "org/app:1"],
];

for (const { name, programs, start } of kinds)
  test(`${name} pulls through the mirror, also after the upstreams have stopped`, {
    skip: needsMirror(...programs),
  }, async () => {
    await using mirror = await Mirror.start();
    await using client = await start(mirror);
    const pushed: { readonly image: string; readonly made: Pushed }[] = [];
    for (const [upstream, image] of images)
      pushed.push({ image: `${upstream}/${image}`, made: await mirror.push(upstream, image) });
    const pullAll = async () => {
      for (const { image, made } of pushed) {
        const pulled = await client.pull(image);
        assert.notDeepEqual(pulled, {});
        assert.deepEqual({ ...made, ...pulled }, made, image);
        if (client.greet !== undefined) assert.equal(await client.greet(image), made.greeting);
        await client.forget(image);
      }
    };
    await pullAll();
    await mirror.stopUpstreams();
    await pullAll();
  });

for (const { kind, sign, verify, env } of [
  { kind: "under a tag", sign: [], verify: [], env: {} },
  {
    kind: "as a referrer",
    sign: ["--registry-referrers-mode=oci-1-1"],
    verify: ["--experimental-oci11"],
    env: { COSIGN_EXPERIMENTAL: "1" },
  },
])
  test(`crane pulls and cosign verifies through the mirror, with the signature stored ${kind}`, {
    skip: needsMirror() || needs("cosign"),
  }, async () => {
    await using mirror = await Mirror.start();
    const variables = { COSIGN_PASSWORD: "", SIGSTORE_REKOR_PUBLIC_KEY: "none", ...env };
    const run = (program: string, ...args: string[]) =>
      mirror.run(program, args, { cwd: mirror.folder, env: variables });
    const { digest } = await mirror.push("ghcr.io", "org/app:1");
    await run("cosign", "generate-key-pair");
    const signing = ["--key=cosign.key", "--tlog-upload=false", "--yes", "--allow-http-registry", ...sign];
    await run("cosign", "sign", ...signing, `${mirror.upstreamHost("ghcr.io")}/org/app@${digest}`);

    // As on the page, but without asking a transparency log.
    const [pull = "", check = ""] = (await example("Clients", "crane pull")).trim().split("\n");
    const checking = [...check.split(" "), "--insecure-ignore-tlog", ...verify];
    const both = async () => {
      const [crane = "", ...pulling] = pull.split(" ");
      await run(crane, ...pulling);
      const [cosign = "", ...rest] = checking;
      assert.ok((await run(cosign, ...rest)).includes(digest));
      await rm(join(mirror.folder, "app.tar"));
    };
    await both();
    await mirror.stopUpstreams();
    await both();
  });

test("the examples for other programs lead to the same mirror and the same folder", async () => {
  const k3s = parse(await example("Clients", "mirrors:"));
  const hosts = await example("Clients", 'server = "https://registry-1.docker.io"');
  for (const name of ["docker.io", "ghcr.io"]) {
    const [endpoint] = k3s.mirrors[name].endpoint;
    assert.ok(hosts.includes(`[host."${endpoint}"]`), `k3s writes ${endpoint}`);
  }
  const containerd = await example("Clients", "[plugins.");
  const kind = parse(await example("Clients", "kind: Cluster"));
  assert.deepEqual(kind.containerdConfigPatches, [containerd.trimEnd()]);
  assert.ok(containerd.includes(kind.nodes[0].extraMounts[0].containerPath));
  const { build } = parse(await example("Clients", "build:"));
  const daemon = JSON.parse(await example("Clients", "{\n"));
  assert.deepEqual(build.services[0].command, ["--registry-mirror", ...daemon["registry-mirrors"]]);
});
