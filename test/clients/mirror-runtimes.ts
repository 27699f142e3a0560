/**
 * The container runtimes of Kubernetes nodes, asked for images as a kubelet asks, with the settings of docs/mirror.md at the
 * paths that the page names.
 */
import { join } from "node:path";
import { containerdConfig, startContainerd } from "./containerd-daemon.js";
import { CriClient, type CriLogin } from "./cri-client.js";
import { type ClientKind, type MirrorClient, writeHosts, writeRegistries } from "./mirror-clients.js";
import { type Place, settingsFor, write } from "./mirror-place.js";
import { startDaemon } from "./support.js";

/** Mounts `$1` at `$2`, for the rest of the command alone. */
const mounting = (from: string, at: string) => [
  ...["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", from, at],
];

/** The client of a runtime. `login` is the pull secret of a pod. */
function clientOf(cri: CriClient, daemon: AsyncDisposable, login?: CriLogin): MirrorClient {
  return {
    async pull(image) {
      await cri.pull(image, login);
      return { digest: await cri.digest(image) };
    },
    forget: (image) => cri.remove(image),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** A containerd with its CRI plugin and this config.toml, which has the place's folder at /etc/containerd. */
export async function startContainerdNode(place: Place, config: string): Promise<MirrorClient> {
  await writeHosts(place);
  const trusting = place.caFile === undefined ? [] : ["env", `SSL_CERT_FILE=${place.caFile}`];
  const enter = [...place.enter, ...mounting(place.folder, "/etc/containerd"), ...trusting];
  const daemon = await startContainerd(place.folder, { enter, config });
  return clientOf(new CriClient(join(place.folder, "grpc.sock")), daemon);
}

export const containerdNode: ClientKind = {
  name: "containerd of a Kubernetes node",
  programs: ["containerd", "runc", "unshare", "mount"],
  start: async (place) =>
    startContainerdNode(place, containerdConfig(place.folder, await settingsFor(place, "[plugins."))),
};

/** Keeps all its data in the place's folder. `lines` belong to `[crio.image]`. */
export async function startCrio(place: Place, lines = "", login?: CriLogin): Promise<MirrorClient> {
  const { folder } = place;
  const at = (name: string) => JSON.stringify(join(folder, name));
  const policy = await write(
    place,
    "policy.json",
    JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }),
  );
  const config = await write(
    place,
    "crio.conf",
    `[crio]
root = ${at("crio")}
runroot = ${at("crio-run")}
storage_driver = "vfs"
log_dir = ${at("crio-logs")}
version_file = ${at("crio-version")}
clean_shutdown_file = ${at("crio-clean")}
[crio.api]
listen = ${at("crio.sock")}
[crio.image]
signature_policy = ${JSON.stringify(policy)}
signature_policy_dir = ${at("crio-policies")}
${lines}
[crio.runtime]
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
# It manages the namespaces of pods, of which there are none.
pinns_path = "/bin/true"
namespaces_dir = ${at("crio-namespaces")}
container_exits_dir = ${at("crio-exits")}
container_attach_socket_dir = ${at("crio-attach")}
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_path = "/usr/sbin/runc"
monitor_path = "/usr/bin/conmon"
[crio.network]
network_dir = ${at("crio-cni")}
[crio.nri]
enable_nri = false
`,
  );
  const registries = await writeRegistries(place);
  const [first = "", ...rest] = [
    ...[...place.enter, ...mounting(registries, "/etc/containers/registries.conf")],
    ...["crio", "--log-level", "error", "--config", config, "--config-dir", join(folder, "none")],
  ];
  const cri = new CriClient(join(folder, "crio.sock"));
  const daemon = await startDaemon(first, rest, () => cri.ready());
  return clientOf(cri, daemon, login);
}

export const crio: ClientKind = {
  name: "CRI-O",
  programs: ["crio", "conmon", "runc", "unshare", "mount"],
  start: (place) => startCrio(place),
};
