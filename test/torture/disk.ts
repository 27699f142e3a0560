/**
 * The location of a tortured store, and how it crashes: a folder whose server is killed keeps all written bytes; a separate
 * file system, shut down under the server, keeps only those on stable storage.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../support/store.js";
import type { ServerProcess } from "./server-process.js";

const run = promisify(execFile);

export interface Disk {
  /** The store's folder, which the first server creates. */
  readonly root: string;
  /** Whether unsynced data is lost, too. */
  readonly losesUnsynced: boolean;
  crash(server: ServerProcess): Promise<void>;
  /** Releases its resources, and removes the data unless `keep` is set. Returns where the data is kept. */
  release(keep: boolean): Promise<string>;
}

export async function makeFolder(): Promise<Disk> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-torture-"));
  return {
    root: join(folder, "store"),
    losesUnsynced: false,
    crash: (server) => server.kill(),
    release: async (keep) => {
      if (!keep) await rm(folder, { recursive: true, force: true });
      return folder;
    },
  };
}

/** Sparse; a run keeps some 100 MB. */
const imageBytes = 2 * 1024 ** 3;

/** A test may run a server in a namespace of its own. */
const namespaceMillisecondsMax = 120_000;

/**
 * EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: the file system forgets what it has not written, its
 * journal included, as if the power had failed. Node has no ioctl, Debian's base system has Perl.
 */
const shutDown = `open(my $d, "<", $ARGV[0]) or die $!; <STDIN>; my $f = pack("L", 2); ioctl($d, 0x8004587D, $f) or die $!`;

/** ext4 in a file, by the kernel's loop device; for root only. */
export async function makeLoopDisk(): Promise<Disk> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-torture-"));
  const [image, mounted] = [join(folder, "ext4.img"), join(folder, "mounted")];
  await writeFile(image, "");
  await truncate(image, imageBytes);
  await run("mkfs.ext4", ["-q", image]);
  await mkdir(mounted);
  const mount = async () => {
    await run("mount", ["-o", "loop", image, mounted]);
    const breaker = spawn("perl", ["-e", shutDown, mounted], { stdio: ["pipe", "ignore", "inherit"] });
    return { breaker, broken: once(breaker, "exit") as Promise<[number]> };
  };
  let power: { breaker: ChildProcess; broken: Promise<[number]> } | undefined = await mount();
  const unmount = async () => {
    power?.breaker.kill();
    await power?.broken;
    power = undefined;
    await run("umount", [mounted]);
    // Another mount namespace of this machine may have a copy of the mount, with which the dead file system would go on.
    await eventually(
      "no other namespace has the file system",
      async () => {
        const { stdout } = await run("losetup", ["--associated", image]);
        return stdout === "" ? true : undefined;
      },
      namespaceMillisecondsMax,
    );
  };
  return {
    root: join(mounted, "store"),
    losesUnsynced: true,
    crash: async (server) => {
      power?.breaker.stdin?.end("\n");
      const [code] = (await power?.broken) ?? [1];
      await server.kill();
      if (code !== 0) throw new Error("the file system could not be shut down");
      await unmount();
      power = await mount();
    },
    release: async (keep) => {
      await unmount();
      if (!keep) await rm(folder, { recursive: true, force: true });
      return image;
    },
  };
}
