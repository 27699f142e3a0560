// A test's own containerd.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run, startDaemon } from "./support.js";

/** The native one copies, and therefore works on every file system. */
export const snapshotter = "--snapshotter=native";

export interface Containerd extends AsyncDisposable {
  /** The parameters with which ctr finds it. */
  readonly address: readonly string[];
}

export interface ContainerdOptions {
  /** The prefix that runs a command where the daemon runs. */
  readonly enter?: readonly string[];
  /** Settings of the CRI plugin, which is disabled without: it needs a network. */
  readonly cri?: string;
}

/** Keeps all its data in `folder`. */
export async function startContainerd(
  folder: string,
  { enter = [], cri }: ContainerdOptions = {},
): Promise<Containerd> {
  const config = join(folder, "config.toml");
  const plugins =
    cri === undefined
      ? ""
      : `${cri}
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
`;
  await writeFile(
    config,
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = [${cri === undefined ? '"io.containerd.grpc.v1.cri"' : ""}]
[grpc]
  address = "${folder}/grpc.sock"
[ttrpc]
  address = "${folder}/ttrpc.sock"
${plugins}`,
  );
  const address = ["--address", join(folder, "grpc.sock")];
  const probe = () => run("ctr", [...address, "version"]);
  const [program = "", ...args] = [...enter, "containerd", "--config", config];
  const daemon = await startDaemon(program, args, probe);
  return { address, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
