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

/** Keeps all its data in `folder`. The CRI plugin needs a network. */
export async function startContainerd(folder: string): Promise<Containerd> {
  const config = join(folder, "config.toml");
  await writeFile(
    config,
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/grpc.sock"
[ttrpc]
  address = "${folder}/ttrpc.sock"
`,
  );
  const address = ["--address", join(folder, "grpc.sock")];
  const probe = () => run("ctr", [...address, "version"]);
  const daemon = await startDaemon("containerd", ["--config", config], probe);
  return { address, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
