/** Imports robot accounts with the hashes of their keys, so that programs log in as before. */
import type { Source } from "../../transfer/source.js";
import type { ImportRun } from "./run.js";

/** An existing robot is kept: if its key is another one, that is a problem, because programs with the other key fail. */
export async function importRobots({ services, tally, options }: ImportRun, source: Source): Promise<void> {
  if (source.robots === undefined) return;
  const known = new Map(services.robots.list().map((robot) => [robot.name, robot]));
  for await (const robot of source.robots()) {
    if (options.signal.aborted) return;
    const here = known.get(robot.name) ?? (options.dryRun ? robot : await services.robots.add(robot));
    if (here === robot) tally.robots.imported++;
    else if (here.keyHash === robot.keyHash) tally.robots.there++;
    else tally.problem({ what: `the robot ${robot.name} exists with another key, and is kept` });
  }
}
