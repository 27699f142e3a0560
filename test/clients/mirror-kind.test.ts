/**
 * kind makes a node with the settings of docs/mirror.md, and containerd pulls with what kind has written there. The node is a
 * stand-in that has the commands which kind runs before it starts Kubernetes: there is no registry with a real one here.
 */
import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { containerdConfig } from "./containerd-daemon.js";
import { startDocker } from "./docker-daemon.js";
import { runnableTar, tarOf } from "./images.js";
import { writeHosts } from "./mirror-clients.js";
import { settingsFor, write } from "./mirror-place.js";
import { containerdNode, startContainerdNode } from "./mirror-runtimes.js";
import { Mirror, needsMirror } from "./mirror-setup.js";
import { searchPath } from "./support.js";

const nodeImage = "kindest/node:stand-in";
const node = "kind-control-plane";

/** A script of the node's busybox. */
const script = (text: string) => `#!/bin/busybox sh\n${text}\n`;
const applet = (name: string) => script(`exec /bin/busybox ${name} "$@"`);

/** The root of a node with this config.toml, as a tar archive. */
async function nodeTar(config: string): Promise<Buffer> {
  const tar = tarOf({
    ...Object.fromEntries(["cat", "cp", "mkdir"].map((name) => [`bin/${name}`, applet(name)])),
    // kind asks it whether containerd runs, to restart it.
    "bin/bash": script("exit 0"),
    // kind waits for this line, which systemd writes.
    entrypoint: script('echo "Reached target Multi-User System."; exec /bin/busybox sleep 600'),
    "kind/version": "v1.37.0\n",
    "etc/containerd/config.toml": config,
  });
  const end = 1024;
  return Buffer.concat([(await runnableTar("")).subarray(0, -end), tar]);
}

/** The docker command for kind: its node gets no more privileges here than the machine of the test has. */
const unprivileged = `#!/bin/sh
for word; do
  shift
  [ "$word" = --privileged ] || set -- "$@" "$word"
done
exec /usr/bin/docker "$@"
`;

test("containerd pulls with the config.toml and the folder that kind gives to a node", {
  skip: needsMirror("kind", "dockerd", "docker", ...containerdNode.programs),
}, async () => {
  await using mirror = await Mirror.start();
  const { folder } = mirror;
  const made = await mirror.push("docker.io", "library/tool:1");
  await writeHosts(mirror);
  const before = containerdConfig(folder, "");
  const tar = join(folder, "node.tar");
  await write(mirror, "node.tar", await nodeTar(before));
  let patched: string;
  {
    await using daemon = await startDocker(folder, mirror.enter);
    await daemon.docker("import", "--change", 'ENTRYPOINT ["/entrypoint"]', tar, nodeImage);
    const config = await write(mirror, "kind.yaml", await settingsFor(mirror, "kind: Cluster"));
    await chmod(await write(mirror, "bin/docker", unprivileged), 0o755);
    const env = {
      PATH: `${join(folder, "bin")}:${searchPath}`,
      DOCKER_HOST: `unix://${join(folder, "docker.sock")}`,
      // The tests' dockerd has no bridge.
      KIND_EXPERIMENTAL_DOCKER_NETWORK: "host",
    };
    const kubeconfig = ["--kubeconfig", join(folder, "kubeconfig")];
    const create = ["create", "cluster", "--config", config, "--image", nodeImage, "--retain", ...kubeconfig];
    // Relative paths of the settings count from there.
    const inFolder = 'cd "$0" && exec kind "$@"';
    try {
      // It has patched the settings when it starts Kubernetes.
      await assert.rejects(
        mirror.run("sh", ["-c", inFolder, folder, ...create], { env }),
        /failed to init node.*kubeadm/s,
      );
      patched = await daemon.docker("exec", node, "/bin/cat", "/etc/containerd/config.toml");
      const hosts = await daemon.docker(
        "exec",
        node,
        "/bin/cat",
        "/etc/containerd/certs.d/docker.io/hosts.toml",
      );
      assert.ok(hosts.includes(mirror.url));
    } finally {
      await mirror.run("kind", ["delete", "cluster", ...kubeconfig], { env });
    }
  }
  assert.notEqual(patched, before);
  await using client = await startContainerdNode(mirror, patched);
  assert.deepEqual(await client.pull("docker.io/library/tool:1"), { digest: made.digest });
});
