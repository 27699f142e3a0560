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
  /** The text of its config.toml: `containerdConfig`, perhaps as another program has changed it. */
  readonly config?: string;
}

/** A config.toml that keeps all data in `folder`. `cri` are settings of the CRI plugin, which is disabled without. */
export function containerdConfig(folder: string, cri?: string): string {
  const plugins = `${cri}
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
`;
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = [${cri === undefined ? '"io.containerd.grpc.v1.cri"' : ""}]
[grpc]
  address = "${folder}/grpc.sock"
[ttrpc]
  address = "${folder}/ttrpc.sock"
${cri === undefined ? "" : plugins}`;
}

/** Keeps all its data in `folder`. The CRI plugin needs a network. */
export async function startContainerd(
  folder: string,
  { enter = [], config = containerdConfig(folder) }: ContainerdOptions = {},
): Promise<Containerd> {
  const file = join(folder, "config.toml");
  await writeFile(file, config);
  const address = ["--address", join(folder, "grpc.sock")];
  const probe = () => run("ctr", [...address, "version"]);
  const [program = "", ...args] = [...enter, "containerd", "--config", file];
  const daemon = await startDaemon(program, args, probe);
  return { address, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
