/**
 * The memory that file pages and programs can still take: the machine's, and that of each control group (cgroup, version 1
 * or 2) around this process. Cached file pages count as free, because the kernel drops them when it needs memory.
 */
import { posix } from "node:path";

/** Returns the text of a file, or undefined if there is none. */
export type ReadText = (path: string) => Promise<string | undefined>;

const mountPoint = "/sys/fs/cgroup";

/** Returns bytes; 0 if the system does not say, as outside of Linux. */
export async function freeMemory(readText: ReadText): Promise<number> {
  const [machine, groups] = await Promise.all([ofMachine(readText), ofGroups(readText)]);
  return Math.max(0, Math.min(machine, ...groups));
}

async function ofMachine(readText: ReadText): Promise<number> {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec((await readText("/proc/meminfo")) ?? "");
  return Number(found?.[1] ?? 0) * 1024;
}

/** The free memory of each group that has a limit. */
async function ofGroups(readText: ReadText): Promise<readonly number[]> {
  const groups = ((await readText("/proc/self/cgroup")) ?? "").trim().split("\n");
  const found = groups.map((line) => {
    // `0::/system.slice/gantry.service` in version 2, `4:memory:/docker/…` in version 1.
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (line.startsWith("0::")) return ofVersion2(path, readText);
    return controllers.split(",").includes("memory") ? ofVersion1(path, readText) : [];
  });
  return (await Promise.all(found)).flat();
}

async function ofVersion2(path: string, readText: ReadText): Promise<readonly number[]> {
  const folders = [...ancestors(path)].map((folder) => posix.join(mountPoint, folder));
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = ["memory.max", "memory.high", "memory.current", "memory.stat"];
      const [max, high, current, stat] = await Promise.all(
        names.map((name) => readText(posix.join(folder, name))),
      );
      return left(Math.min(limit(max), limit(high)), current, stat, "");
    }),
  );
  return found.flat();
}

/** The path itself, then the groups around it: each has its own limit. */
function* ancestors(path: string): Generator<string> {
  for (let folder = posix.normalize(path); ; folder = posix.dirname(folder)) {
    yield folder;
    if (folder === "/" || folder === ".") return;
  }
}

/** In a container, the path is the host's, and the container's own group is mounted at the top. */
async function ofVersion1(path: string, readText: ReadText): Promise<readonly number[]> {
  for (const folder of [posix.join(mountPoint, "memory", path), posix.join(mountPoint, "memory")]) {
    const names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"];
    const [max, usage, stat] = await Promise.all(names.map((name) => readText(posix.join(folder, name))));
    if (max === undefined) continue;
    const around = limit(valueIn(stat, "hierarchical_memory_limit"));
    return left(Math.min(limit(max), around), usage, stat, "total_");
  }
  return [];
}

/** `max` in version 2; in version 1 no limit is a number beyond every machine. */
function limit(text: string | undefined): number {
  return text === undefined || text.trim() === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

/** Empty if there is no limit. */
function left(
  max: number,
  used: string | undefined,
  stat: string | undefined,
  prefix: string,
): readonly number[] {
  if (!Number.isFinite(max) || used === undefined) return [];
  const cached = ["inactive_file", "active_file"].map((name) => Number(valueIn(stat, prefix + name) ?? 0));
  return [max - Number(used) + cached.reduce((sum, bytes) => sum + bytes, 0)];
}

function valueIn(stat: string | undefined, name: string): string | undefined {
  return new RegExp(`^${name} (\\d+)$`, "m").exec(stat ?? "")?.[1];
}
