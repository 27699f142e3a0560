/** Parses and formats robot scopes: `ci/**:pull,push`, with commas between several repositories as well. */
import { RegistryError } from "../domain/errors.js";
import type { RobotScope } from "../domain/robot.js";
import { robotScope } from "../registry/robot-accounts.js";
import { UsageError } from "./command.js";

/** Throws `UsageError`. */
export function parseScope(text: string): RobotScope {
  const colon = text.lastIndexOf(":");
  const repositories = text.slice(0, colon).split(",");
  if (colon < 1 || repositories.includes(""))
    throw new UsageError(`--scope: ${text}: expected repositories and permissions, such as ci/**:pull,push`);
  try {
    return robotScope(repositories, text.slice(colon + 1).split(","));
  } catch (error) {
    throw error instanceof RegistryError ? new UsageError(`--scope: ${text}: ${error.message}`) : error;
  }
}

export function formatScope({ repositories, permissions }: RobotScope): string {
  return `${repositories.join(",")}:${permissions.join(",")}`;
}
