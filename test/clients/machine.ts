/**
 * A separate machine, as far as network and settings in /etc are concerned: there the registry has a name and an address
 * that no client takes for its own, so that no client is lenient with it. Needs root.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { needs, type RunOptions, run } from "./support.js";

/** In a block for documentation (RFC 5737), which is unused. */
export const address = "192.0.2.1";
export const hostName = "registry.test";

/** For a test's `skip`, with the other requirements. */
export const needsMachine = (...programs: readonly string[]) =>
  needs("unshare", "nsenter", "mount", "ip", ...programs);

export interface Machine extends AsyncDisposable {
  /** The prefix that runs a command there. */
  readonly enter: readonly [program: string, ...parameters: string[]];
  /** Runs a program there to its end. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** Makes docker, podman and skopeo trust the CA of the registry at `host`. */
  trust(host: string, caPem: string): Promise<void>;
}

/** Keeps its files in `folder`. `names` are further names of its address. Removes the network and the mounts at its end. */
export async function startMachine(folder: string, names: readonly string[] = []): Promise<Machine> {
  const hosts = join(folder, "hosts");
  const docker = join(folder, "docker");
  await mkdir(docker);
  await writeFile(hosts, `127.0.0.1 localhost\n${[address, hostName, ...names].join(" ")}\n`);
  const script = `set -e
    ip link set lo up
    ip address add ${address}/32 dev lo
    mount --bind "$1" /etc/hosts
    mkdir -p /etc/docker
    mount --bind "$2" /etc/docker
    echo there
    exec cat`;
  // It lasts until its input ends, which also happens when the test's process ends.
  const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", script, "sh", hosts, docker], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(holder, "close");
  const [said] = await Promise.race([once(holder.stdout, "data"), ended]);
  if (!String(said).startsWith("there") || holder.pid === undefined)
    throw new Error("no network of its own for the test");
  const enter = ["nsenter", "--target", String(holder.pid), "--mount", "--net"] as const;
  const [program, ...parameters] = enter;
  return {
    enter: [program, ...parameters],
    run(inner, args, options = {}) {
      // nsenter would start in the root folder.
      const folder = options.cwd === undefined ? [] : [`--wd=${options.cwd}`];
      return run(program, [...parameters, ...folder, "--", inner, ...args], options);
    },
    async trust(host, caPem) {
      const certificates = join(docker, "certs.d", host);
      await mkdir(certificates, { recursive: true });
      await writeFile(join(certificates, "ca.crt"), caPem);
    },
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await ended;
    },
  };
}
