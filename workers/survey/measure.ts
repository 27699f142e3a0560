/** Reads the sizes and link counts of many files. */
import { lstatSync, type Stats } from "node:fs";
import type { Measures, MeasureTask } from "../../src/storage/filesystem/survey-protocol.js";

export function measureFiles({ folder, files }: MeasureTask): Measures {
  const measures = new Float64Array(3 * files.length);
  for (const [index, file] of files.entries()) {
    const found = look(`${folder}/${file}`);
    if (found === undefined) continue;
    const plain = found !== "failed" && found.isFile();
    measures[3 * index] = plain ? found.size : Number.NaN;
    measures[3 * index + 1] = plain ? found.nlink : Number.NaN;
    measures[3 * index + 2] = plain ? found.mtimeMs : Number.NaN;
  }
  return measures;
}

/** The caller finds out the cause of a failure. */
function look(path: string): Stats | "failed" | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return "failed";
  }
}
