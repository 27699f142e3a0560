// A test's own Docker daemon, with its client.

import { join } from "node:path";
import { needs, run, startDaemon } from "./support.js";

/** For a test's `skip`, with the other requirements. */
export const needsDocker = (...programs: readonly string[]) =>
  needs("dockerd", "docker", "containerd", "runc", ...programs);

export interface Docker extends AsyncDisposable {
  /** Runs `docker` to its end, and returns its output. */
  docker(...args: readonly string[]): Promise<string>;
  /** The client as the first words of a command. */
  readonly command: readonly [program: string, ...parameters: string[]];
}

/**
 * Keeps all its data in `folder`, and has no network: its containers have the host's or none. `enter` is the prefix that
 * runs a command where the daemon runs, `further` are its own parameters.
 */
export async function startDocker(
  folder: string,
  enter: readonly string[] = [],
  further: readonly string[] = [],
): Promise<Docker> {
  const socket = join(folder, "docker.sock");
  const command = ["docker", "--config", folder, "--host", `unix://${socket}`] as const;
  const [program, ...parameters] = command;
  const docker = (...args: readonly string[]) => run(program, [...parameters, ...args]);
  const daemonArgs = [
    ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
    ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")],
    ...["--pidfile", join(folder, "docker.pid"), "--host", `unix://${socket}`],
    ...further,
  ];
  // Mounts of containers are in a namespace that ends with the daemon; otherwise the folder could not be removed.
  const [first = "unshare", ...rest] = [...enter, "unshare", "--mount", "dockerd", ...daemonArgs];
  const daemon = await startDaemon(first, rest, () => docker("info"));
  return { docker, command, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
