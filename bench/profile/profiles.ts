/** Processes the CPU profiles that Node has written into a folder: draws each as a flame graph, and lists the hot functions. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hottest, readCpuProfile } from "./cpu-profile.js";
import { flameGraph } from "./flame-graph.js";

const suffix = ".cpuprofile";
const functionsTold = 15;

/** The options with which Node profiles its main thread and each worker, writing one file each at the end. */
export function profilingFlags(folder: string): readonly string[] {
  return ["--cpu-prof", `--cpu-prof-dir=${folder}`];
}

/** Returns the most expensive functions of each thread, as lines of text. */
export async function drawProfiles(folder: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(suffix)).sort()) {
    const profile = await readCpuProfile(join(folder, file));
    const thread = threadOf(file);
    const drawn = join(folder, `${file.slice(0, -suffix.length)}.svg`);
    await writeFile(drawn, flameGraph(thread, profile));
    const { microseconds } = profile.busy;
    lines.push(`${thread}, ${(microseconds / 1e6).toFixed(2)} s busy: ${drawn}`);
    for (const { name, place, ownMicroseconds } of hottest(profile.busy).slice(0, functionsTold)) {
      const share = ((100 * ownMicroseconds) / microseconds).toFixed(1).padStart(5);
      lines.push(`  ${share} %  ${name} ${place}`);
    }
  }
  return lines;
}

/** Node names them `CPU.<date>.<time>.<process>.<thread>.<count>`; the main thread is 0. */
function threadOf(file: string): string {
  const [, , , process, thread] = file.split(".");
  return `process ${process}, ${thread === "0" ? "main thread" : `worker ${thread}`}`;
}
