/**
 * How each client logs in, pushes and pulls, in a few lines each: the table of the login tests. A caller's environment
 * states where its credentials are stored, so that several callers can use one client concurrently.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { snapshotter, startContainerd } from "./containerd-daemon.js";
import { needsDocker, startDocker } from "./docker-daemon.js";
import type { Machine } from "./machine.js";
import { needs } from "./support.js";

export interface User {
  readonly name: string;
  readonly password: string;
}

/** A caller with its own credentials, or with none. */
export interface Caller {
  /** Runs a program on the machine. */
  run(program: string, args: readonly string[], input?: string): Promise<string>;
  /** The registry as in an image's name. */
  readonly host: string;
  /** For this caller's files. */
  readonly folder: string;
  /** For a client that cannot store it. */
  readonly user: User | undefined;
}

/** The image to push, as a tar archive of its files and as OCI layouts. */
export interface Made {
  readonly tar: string;
  readonly layout: string;
  readonly archive: string;
}

/** A client available on the machine. */
export interface LoginClient extends AsyncDisposable {
  /** Absent if it needs name and password with each command. */
  login?(caller: Caller, user: User): Promise<unknown>;
  push(caller: Caller, image: string, made: Made): Promise<unknown>;
  /** Pulls the image from scratch. Returns its digest, computed from what the client received. */
  pull(caller: Caller, image: string): Promise<string>;
  /** Makes the registry copy the image `from` to another repository. */
  copy?(caller: Caller, from: string, to: string): Promise<string>;
}

export interface LoginClientKind {
  readonly name: string;
  readonly skip: false | string;
  /** Whether its login asks the registry, and fails if refused. */
  readonly loginAsks: boolean;
  /** Whether it requests nothing without a login if `GET /v2/` answers with `Basic`. */
  readonly needsBasic?: boolean;
  start(machine: Machine, folder: string): Promise<LoginClient>;
}

const nothing = { [Symbol.asyncDispose]: async () => {} };

export const loginClients: readonly LoginClientKind[] = [
  {
    name: "docker",
    skip: needsDocker("busybox"),
    loginAsks: true,
    needsBasic: true,
    start: startDockerClient,
  },
  { name: "skopeo", skip: needs("skopeo"), loginAsks: true, start: async () => skopeo },
  { name: "crane", skip: needs("crane"), loginAsks: false, start: async () => crane },
  { name: "oras", skip: needs("oras"), loginAsks: true, start: async () => oras },
  { name: "podman", skip: needs("podman"), loginAsks: true, start: startPodman },
  { name: "ctr", skip: needs("containerd", "ctr"), loginAsks: false, start: startCtr },
];

/** Common to every client with a `login` that has Docker's parameters. */
const loginParameters = ({ name }: User) => ["login", "--username", name, "--password-stdin"];

async function startDockerClient({ enter }: Machine, folder: string): Promise<LoginClient> {
  const daemon = await startDocker(folder, enter);
  const docker = ({ run }: Caller, args: readonly string[], input?: string) =>
    run("docker", ["--host", `unix://${join(folder, "docker.sock")}`, ...args], input);
  return {
    login: (caller, user) => docker(caller, [...loginParameters(user), caller.host], user.password),
    async push(caller, image, { tar }) {
      await docker(caller, ["import", tar, image]);
      await docker(caller, ["push", image]).finally(() => docker(caller, ["rmi", image]));
    },
    async pull(caller, image) {
      await docker(caller, ["pull", image]);
      const known = await docker(caller, ["inspect", "--format", "{{index .RepoDigests 0}}", image]);
      await docker(caller, ["rmi", image]);
      return known.slice(known.indexOf("@") + 1);
    },
    async copy(caller, from, to) {
      await docker(caller, ["pull", from]);
      await docker(caller, ["tag", from, to]);
      return docker(caller, ["push", to]);
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

const skopeo: LoginClient = {
  ...nothing,
  login: ({ run, host }, user) => run("skopeo", [...loginParameters(user), host], user.password),
  push: ({ run }, image, { layout }) =>
    run("skopeo", ["--insecure-policy", "copy", `oci:${layout}:latest`, `docker://${image}`]),
  pull: (caller, image) =>
    pullLayout(caller, (back) =>
      caller.run("skopeo", ["--insecure-policy", "copy", `docker://${image}`, `oci:${back}:latest`]),
    ),
};

const crane: LoginClient = {
  ...nothing,
  login: ({ run, host }, user) => run("crane", ["auth", ...loginParameters(user), host], user.password),
  push: ({ run }, image, { layout }) => run("crane", ["push", layout, image]),
  pull: (caller, image) =>
    pullLayout(caller, (back) => caller.run("crane", ["pull", "--format=oci", image, back])),
  // It reports on standard error.
  copy: ({ run }, from, to) => run("sh", ["-c", 'exec crane copy "$@" 2>&1', "sh", from, to]),
};

const oras: LoginClient = {
  ...nothing,
  login: ({ run, host }, user) => run("oras", [...loginParameters(user), host], user.password),
  push: ({ run }, image, { layout }) => run("oras", ["cp", "--from-oci-layout", `${layout}:latest`, image]),
  pull: (caller, image) =>
    pullLayout(caller, (back) => caller.run("oras", ["cp", "--to-oci-layout", image, `${back}:latest`])),
};

async function startPodman(_: Machine, folder: string): Promise<LoginClient> {
  const store = [
    ...["--root", join(folder, "root"), "--runroot", join(folder, "run")],
    ...["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"],
  ];
  const podman = ({ run }: Caller, args: readonly string[], input?: string) =>
    run("podman", [...store, ...args], input);
  return {
    ...nothing,
    login: (caller, user) => podman(caller, [...loginParameters(user), caller.host], user.password),
    async push(caller, image, { tar }) {
      await podman(caller, ["import", tar, image]);
      await podman(caller, ["push", image]).finally(() => podman(caller, ["rmi", image]));
    },
    async pull(caller, image) {
      await podman(caller, ["pull", image]);
      const digest = await podman(caller, ["inspect", "--format", "{{.Digest}}", image]);
      await podman(caller, ["rmi", image]);
      return digest;
    },
  };
}

async function startCtr(_: Machine, folder: string): Promise<LoginClient> {
  const { address, ...daemon } = await startContainerd(folder);
  const ctr = ({ run }: Caller, args: readonly string[]) => run("ctr", [...address, "images", ...args]);
  const as = ({ user }: Caller) => (user === undefined ? [] : ["--user", `${user.name}:${user.password}`]);
  return {
    async push(caller, image, { archive }) {
      await ctr(caller, ["import", snapshotter, "--base-name", "local/image", archive]);
      await ctr(caller, ["tag", "--force", "local/image:latest", image]);
      await ctr(caller, ["push", ...as(caller), image]).finally(() =>
        ctr(caller, ["rm", "--sync", image, "local/image:latest"]),
      );
    },
    async pull(caller, image) {
      await ctr(caller, ["pull", ...as(caller), snapshotter, image]);
      const listed = await ctr(caller, ["ls", `name==${image}`]);
      await ctr(caller, ["rm", "--sync", image]);
      return /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? "";
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Pulls into an OCI layout, and reads its digest there. */
async function pullLayout({ folder }: Caller, pull: (back: string) => Promise<unknown>): Promise<string> {
  const back = join(folder, "back");
  await rm(back, { recursive: true, force: true });
  await pull(back);
  const index = JSON.parse(await readFile(join(back, "index.json"), "utf8"));
  return index.manifests[0].digest;
}
