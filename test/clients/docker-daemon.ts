// A Docker daemon of a test's own, with the client that speaks to it.

import { join } from "node:path";
import { needs, run, startDaemon } from "./support.js";

/** For a test's `skip`, with what else it needs. */
export const needsDocker = (...programs: readonly string[]) =>
  needs("dockerd", "docker", "containerd", "runc", ...programs);

export interface Docker extends AsyncDisposable {
  /** Runs `docker` to its end and gives what it said. */
  docker(...args: readonly string[]): Promise<string>;
  /** The client as a command that other parameters follow. */
  readonly command: readonly [program: string, ...parameters: string[]];
}

/**
 * Keeps all that it has in `folder`, and no network: its containers have the machine's or none. `enter` is what to
 * say before a command for it to run where the daemon shall.
 */
export async function startDocker(folder: string, enter: readonly string[] = []): Promise<Docker> {
  const socket = join(folder, "docker.sock");
  const command = ["docker", "--config", folder, "--host", `unix://${socket}`] as const;
  const [program, ...parameters] = command;
  const docker = (...args: readonly string[]) => run(program, [...parameters, ...args]);
  const daemonArgs = [
    ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
    ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")],
    ...["--pidfile", join(folder, "docker.pid"), "--host", `unix://${socket}`],
  ];
  // Mounts of containers are of a namespace that ends with the daemon, or the folder could not be removed.
  const [first = "unshare", ...rest] = [...enter, "unshare", "--mount", "dockerd", ...daemonArgs];
  const daemon = await startDaemon(first, rest, () => docker("info"));
  return { docker, command, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
