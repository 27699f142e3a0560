/**
 * The clients that pull through a mirror with the settings of docs/mirror.md: how each is set up, pulls an image and forgets it.
 * Knows nothing of what is pulled.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Buildkit } from "./buildkit-daemon.js";
import { snapshotter, startContainerd } from "./containerd-daemon.js";
import { startDocker } from "./docker-daemon.js";
import { hostOf, type Place, settingsFor, write } from "./mirror-place.js";

/** What a client has after a pull, as far as it tells: the image's digest, and its file `greeting`. */
export interface Pulled {
  readonly digest?: string;
  readonly greeting?: string;
}

/** A client with its settings. Images are named with their registry: "docker.io/library/tool:1". */
export interface MirrorClient extends AsyncDisposable {
  pull(image: string): Promise<Pulled>;
  /** Removes the image and its layers, so that the next pull starts anew. */
  forget(image: string): Promise<void>;
  /** Removes what a pull has left that failed. Absent if the next one does not continue there. */
  abandon?(): Promise<void>;
  /** Runs a pulled image, and returns what it prints. */
  greet?(image: string): Promise<string>;
}

export interface ClientKind {
  readonly name: string;
  readonly programs: readonly string[];
  /** Whether it shows the error of the registry alone, which it asks after the mirror. */
  readonly hidesMirror?: boolean;
  start(place: Place): Promise<MirrorClient>;
}

/** A command of the images, which needs no network. */
const greet = ["/bin/busybox", "cat", "/greeting"];
const nothing = async () => {};

/** What a client has in an OCI layout. */
export async function digestOfLayout(path: string): Promise<string> {
  const { manifests } = JSON.parse(await readFile(join(path, "index.json"), "utf8"));
  return manifests[0].digest;
}

export const docker: ClientKind = {
  name: "docker",
  programs: ["dockerd", "docker", "containerd", "runc"],
  hidesMirror: true,
  async start(place) {
    const file = await write(place, "daemon.json", await settingsFor(place, "{\n"));
    // The second attempt comes after 5 s, the third after 10 s more.
    const options = ["--config-file", file, "--max-download-attempts=2"];
    const daemon = await startDocker(place.folder, place.enter, options);
    const { docker } = daemon;
    // It uses mirrors for Docker Hub alone.
    const nameOf = (image: string) => (image.startsWith("docker.io/") ? image : `${hostOf(place)}/${image}`);
    return {
      async pull(image) {
        await docker("pull", nameOf(image));
        const known = await docker("inspect", "--format", "{{index .RepoDigests 0}}", nameOf(image));
        return { digest: known.replace(/^.*@/, "") };
      },
      greet: (image) => docker("run", "--rm", "--network=none", nameOf(image), ...greet),
      forget: async (image) => void (await docker("rmi", nameOf(image))),
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  },
};

/** The names of registries for which containerd has a hosts.toml. */
const registries = ["docker.io", "ghcr.io"];

/** Writes the hosts.toml of each registry, and returns their folder. `further` are lines at its end. */
export async function writeHosts(place: Place, further = ""): Promise<string> {
  const hosts = await settingsFor(place, 'server = "https://registry-1.docker.io"');
  // ctr reads the system's CAs alone, and SSL_CERT_FILE names them.
  for (const name of registries) await write(place, join("certs.d", name, "hosts.toml"), hosts + further);
  return join(place.folder, "certs.d");
}

export const containerd: ClientKind = {
  name: "containerd",
  programs: ["containerd", "ctr", "runc"],
  async start(place) {
    const hosts = await writeHosts(place);
    const daemon = await startContainerd(place.folder);
    const ctr = (...args: string[]) => place.run("ctr", [...daemon.address, ...args]);
    return {
      async pull(image) {
        await ctr("images", "pull", "--hosts-dir", hosts, snapshotter, image);
        const digest = /sha256:[0-9a-f]{64}/.exec(await ctr("images", "ls", `name==${image}`))?.[0] ?? "";
        return { digest };
      },
      greet: (image) => ctr("run", "--rm", snapshotter, image, "greeter", ...greet),
      forget: async (image) => void (await ctr("images", "rm", "--sync", image)),
      async abandon() {
        // Deleting a lease in this way is the only command that collects garbage.
        await ctr("leases", "create", "--id", "abandon");
        await ctr("leases", "delete", "--sync", "abandon");
      },
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  },
};

export const buildkit: ClientKind = {
  name: "BuildKit",
  programs: ["buildkitd", "buildctl", "runc"],
  async start(place) {
    const { caFile, folder, enter } = place;
    const access = caFile === undefined ? "http = true" : `ca = [${JSON.stringify(caFile)}]`;
    const settings = `${await settingsFor(place, '[registry."docker.io"]')}
[registry."${hostOf(place)}"]
  ${access}
`;
    const daemon = await Buildkit.start(folder, { settings, enter });
    const run: Place["run"] = (...call) => place.run(...call);
    return {
      async pull(image) {
        return { greeting: await daemon.buildFile("greeting", run, { Dockerfile: `FROM ${image}\n` }) };
      },
      forget: () => daemon.forget(),
      abandon: () => daemon.forget(),
      [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    };
  },
};

/** Writes registries.conf, and returns its path. */
export async function writeRegistries(place: Place): Promise<string> {
  const text = await settingsFor(place, "unqualified-search-registries");
  const plain = text.replaceAll(`location = "${hostOf(place)}`, `insecure = true\n$&`);
  return write(place, "registries.conf", place.caFile === undefined ? plain : text);
}

export const podman: ClientKind = {
  name: "podman",
  programs: ["podman"],
  async start(place) {
    const { folder } = place;
    const file = await writeRegistries(place);
    const store = [
      ...["--root", join(folder, "root"), "--runroot", join(folder, "run")],
      ...["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"],
    ];
    const podman = (...args: string[]) =>
      place.run("podman", [...store, ...args], { env: { CONTAINERS_REGISTRIES_CONF: file } });
    const container = ["--rm", "--network=none", "--ulimit=nofile=1024", "--ulimit=nproc=1024"];
    return {
      async pull(image) {
        await podman("pull", image);
        return { digest: await podman("inspect", "--format", "{{.Digest}}", image) };
      },
      greet: (image) => podman("run", ...container, image, ...greet),
      forget: async (image) => void (await podman("rmi", image)),
      [Symbol.asyncDispose]: nothing,
    };
  },
};

export const skopeo: ClientKind = {
  name: "skopeo",
  programs: ["skopeo"],
  async start(place) {
    const layout = join(place.folder, "skopeo");
    const options = ["--insecure-policy", "--registries-conf", await writeRegistries(place)];
    return {
      async pull(image) {
        const copy = [...options, "copy", "--preserve-digests"];
        await place.run("skopeo", [...copy, `docker://${image}`, `oci:${layout}:latest`]);
        return { digest: await digestOfLayout(layout) };
      },
      forget: () => rm(layout, { recursive: true }),
      [Symbol.asyncDispose]: nothing,
    };
  },
};

/** It has no setting for a mirror. */
export const crane: ClientKind = {
  name: "crane",
  programs: ["crane"],
  async start(place) {
    const layout = join(place.folder, "crane");
    const plain = place.caFile === undefined ? ["--insecure"] : [];
    return {
      async pull(image) {
        await place.run("crane", [...plain, "pull", "--format=oci", `${hostOf(place)}/${image}`, layout]);
        return { digest: await digestOfLayout(layout) };
      },
      forget: () => rm(layout, { recursive: true }),
      [Symbol.asyncDispose]: nothing,
    };
  },
};
