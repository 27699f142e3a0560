/** Robot accounts: each a JSON file that only the server's user may read, written atomically. */
import { isRobotName, type Robot, type RobotName } from "../../domain/robot.js";
import { parseRobot, scopeFaults } from "../robot-record.js";
import type { RobotStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import { ifThere, putDurably, removeIfThere } from "./files.js";
import { type Layout, recordSuffix } from "./layout.js";
import type { Directories } from "./sync.js";

const ownerOnly = 0o600;

export class FileRobots implements RobotStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly checkedFiles: CheckedFiles,
  ) {}

  async *all(): AsyncIterable<Robot> {
    const folder = this.layout.robotsRoot;
    for (const fileName of (await this.checkedFiles.entries(folder)) ?? []) {
      const path = `${folder}/${fileName}`;
      const name = robotOf(fileName);
      // A robot whose file cannot be read cannot log in; the others can.
      const bytes =
        name === undefined
          ? undefined
          : await this.checkedFiles.passOverDamage(path, this.checkedFiles.read(path));
      const robot = name === undefined || bytes === undefined ? undefined : parseRobot(name, bytes);
      if (robot !== undefined) {
        for (const fault of scopeFaults(robot)) this.checkedFiles.name(path, fault);
        yield robot;
      } else if (name === undefined || bytes !== undefined)
        this.checkedFiles.name(path, "not a robot account");
    }
  }

  async put(robot: Robot): Promise<void> {
    const folder = this.layout.robotsRoot;
    const { syncs } = this.directories;
    await this.directories.within([folder], () =>
      putDurably(
        this.layout.robot(robot.name),
        JSON.stringify(robot),
        this.layout.temporary(),
        syncs,
        ownerOnly,
      ),
    );
    await this.directories.sync(folder);
  }

  async remove(name: RobotName): Promise<boolean> {
    const removed = await removeIfThere(this.layout.robot(name));
    if (removed) await ifThere(this.directories.sync(this.layout.robotsRoot));
    return removed;
  }
}

/** Returns the robot of a file name. */
export function robotOf(fileName: string): RobotName | undefined {
  const name = fileName.slice(0, -recordSuffix.length);
  return fileName.endsWith(recordSuffix) && isRobotName(name) ? name : undefined;
}
