/** Robot accounts: each an object in JSON. */
import { isRobotName, type Robot, type RobotName } from "../../domain/robot.js";
import { foundInOrder } from "../../lib/in-order.js";
import { parseRobot, scopeFaults } from "../robot-record.js";
import type { RobotStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys } from "./keys.js";
import { recordsAtOnce, type StoredRecords } from "./stored-records.js";

export class S3Robots implements RobotStore {
  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
  ) {}

  async *all(): AsyncIterable<Robot> {
    const names = this.records.names(keys.robots, isRobotName);
    for await (const robot of foundInOrder(names, recordsAtOnce, ({ name }) => this.#read(name))) {
      for (const fault of scopeFaults(robot)) this.records.onStray(keys.robot(robot.name), fault);
      yield robot;
    }
  }

  #read(name: RobotName): Promise<Robot | undefined> {
    return this.records.read(keys.robot(name), (bytes) => parseRobot(name, bytes));
  }

  async put(robot: Robot): Promise<void> {
    await this.client.put(keys.robot(robot.name), Buffer.from(JSON.stringify(robot)));
  }

  async remove(name: RobotName): Promise<boolean> {
    if ((await this.client.head(keys.robot(name))) === undefined) return false;
    await this.client.delete(keys.robot(name));
    return true;
  }
}
