/**
 * Finds the processes that hold a lock (flock), which belongs to an open file that several processes may share. The kernel lists
 * the locks of each open file in `/proc/PID/fdinfo`; it shows those of other users to root only.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";

/** Returns the IDs of the processes that hold a lock of the file with the name and the inode, as far as they can be seen. */
export async function lockHolders(file: string, inode: bigint): Promise<number[]> {
  const holders: number[] = [];
  for (const process of await readdir("/proc").catch(() => []))
    if (/^\d+$/.test(process) && (await isHolder(`/proc/${process}`, basename(file), inode)))
      holders.push(Number(process));
  return holders;
}

async function isHolder(process: string, name: string, inode: bigint): Promise<boolean> {
  for (const descriptor of await readdir(`${process}/fd`).catch(() => [])) {
    const target = await readlink(`${process}/fd/${descriptor}`).catch(() => "");
    if (basename(target) !== name) continue;
    const info = await readFile(`${process}/fdinfo/${descriptor}`, "latin1").catch(() => "");
    if (new RegExp(`^lock:.* FLOCK .*:${inode} `, "m").test(info)) return true;
  }
  return false;
}
