/**
 * Real clients pull through the cache with the settings of docs/mirror.md, and pull again after the upstream registries have
 * stopped. No traffic can leave the machine: its network has no other.
 */
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { Buildkit } from "./buildkit-daemon.js";
import { snapshotter, startContainerd } from "./containerd-daemon.js";
import { startDocker } from "./docker-daemon.js";
import { example, Mirror, mirrorHost, needsMirror } from "./mirror-setup.js";
import { needs, temporaryFolder } from "./support.js";

/** For a container, which needs no network. */
const greet = ["/bin/busybox", "cat", "/greeting"];

test("docker pulls through its registry mirror, also after the upstream has stopped", {
  skip: needsMirror() || needs("dockerd", "docker", "containerd", "runc"),
}, async () => {
  await using folder = await temporaryFolder();
  await using mirror = await Mirror.start(folder.path);
  const daemonFile = await mirror.write("daemon.json", await example("Clients", "{\n"));
  await using daemon = await startDocker(folder.path, mirror.machine.enter, ["--config-file", daemonFile]);
  const { docker } = daemon;

  const official = await mirror.push("docker.io", "library/tool:1");
  const other = await mirror.push("docker.io", "org/tool:1");
  const elsewhere = await mirror.push("ghcr.io", "org/app:1");
  const images = [
    ["tool:1", official],
    ["org/tool:1", other],
    [`${mirrorHost}/ghcr.io/org/app:1`, elsewhere],
  ] as const;
  const pullAll = async () => {
    for (const [image, { digest, greeting }] of images) {
      await docker("pull", image);
      const known = await docker("inspect", "--format", "{{index .RepoDigests 0}}", image);
      assert.ok(known.endsWith(`@${digest}`), known);
      assert.equal(await docker("run", "--rm", "--network=none", image, ...greet), greeting);
      await docker("rmi", image);
    }
  };
  await pullAll();
  await mirror.stopUpstreams();
  await pullAll();
});

test("containerd pulls through the hosts.toml of each registry", {
  skip: needsMirror() || needs("containerd", "ctr", "runc"),
}, async () => {
  await using folder = await temporaryFolder();
  await using mirror = await Mirror.start(folder.path);
  await using daemon = await startContainerd(folder.path);
  const ctr = (...args: string[]) => mirror.run("ctr", [...daemon.address, ...args]);
  const hosts = await example("Clients", 'server = "https://registry-1.docker.io"');
  for (const name of ["docker.io", "ghcr.io"]) await mirror.write(join("certs.d", name, "hosts.toml"), hosts);
  const hostsFolder = join(folder.path, "certs.d");

  const images = [
    ["docker.io/library/tool:1", await mirror.push("docker.io", "library/tool:1")],
    ["ghcr.io/org/app:1", await mirror.push("ghcr.io", "org/app:1")],
  ] as const;
  const pullAll = async () => {
    for (const [image, { digest, greeting }] of images) {
      await ctr("images", "pull", "--hosts-dir", hostsFolder, snapshotter, image);
      const listed = await ctr("images", "ls", `name==${image}`);
      assert.ok(listed.includes(digest), listed);
      assert.equal(await ctr("run", "--rm", snapshotter, image, "greeter", ...greet), greeting);
      await ctr("images", "rm", "--sync", image);
    }
  };
  await pullAll();
  await mirror.stopUpstreams();
  await pullAll();
});

test("BuildKit builds from images of its mirrors", {
  skip: needsMirror() || needs("buildkitd", "buildctl", "runc"),
}, async () => {
  await using folder = await temporaryFolder();
  await using mirror = await Mirror.start(folder.path);
  const settings =
    (await example("Clients", '[registry."docker.io"]')) +
    `[registry."${mirrorHost}"]\n  ca = [${JSON.stringify(mirror.caFile)}]\n`;
  await using buildkit = await Buildkit.start(folder.path, { settings, enter: mirror.machine.enter });
  const run: Mirror["run"] = (...call) => mirror.run(...call);
  const images = [
    ["tool:1", await mirror.push("docker.io", "library/tool:1")],
    ["ghcr.io/org/app:1", await mirror.push("ghcr.io", "org/app:1")],
  ] as const;
  const buildAll = async () => {
    for (const [image, { greeting }] of images)
      assert.equal(await buildkit.buildFile("greeting", run, { Dockerfile: `FROM ${image}\n` }), greeting);
    await buildkit.forget();
  };
  await buildAll();
  await mirror.stopUpstreams();
  await buildAll();
});

test("podman and skopeo pull through registries.conf", {
  skip: needsMirror() || needs("podman", "skopeo"),
}, async () => {
  await using folder = await temporaryFolder();
  await using mirror = await Mirror.start(folder.path);
  const settings = await example("Clients", "unqualified-search-registries");
  const file = await mirror.write("registries.conf", settings);
  const store = [
    ...["--root", join(folder.path, "root"), "--runroot", join(folder.path, "run")],
    ...["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"],
  ];
  const podman = (...args: string[]) =>
    mirror.run("podman", [...store, ...args], { env: { CONTAINERS_REGISTRIES_CONF: file } });
  const skopeo = (...args: string[]) =>
    mirror.run("skopeo", ["--insecure-policy", "--registries-conf", file, ...args]);
  const images = [
    ["docker.io/library/tool:1", await mirror.push("docker.io", "library/tool:1")],
    ["ghcr.io/org/app:1", await mirror.push("ghcr.io", "org/app:1")],
  ] as const;
  const pullAll = async () => {
    for (const [image, { digest, greeting }] of images) {
      await podman("pull", image);
      assert.equal(await podman("inspect", "--format", "{{.Digest}}", image), digest);
      const container = ["--rm", "--network=none", "--ulimit=nofile=1024", "--ulimit=nproc=1024", image];
      assert.equal(await podman("run", ...container, ...greet), greeting);
      await podman("rmi", image);

      const layout = join(folder.path, "copied");
      await skopeo("copy", `docker://${image}`, `oci:${layout}:latest`);
      assert.ok((await readFile(join(layout, "index.json"), "utf8")).includes(digest));
      await rm(layout, { recursive: true });
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
    await using folder = await temporaryFolder();
    await using mirror = await Mirror.start(folder.path);
    const variables = { COSIGN_PASSWORD: "", SIGSTORE_REKOR_PUBLIC_KEY: "none", ...env };
    const run = (program: string, ...args: string[]) =>
      mirror.run(program, args, { cwd: folder.path, env: variables });
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
      await rm(join(folder.path, "app.tar"));
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
