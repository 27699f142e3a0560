/** Parses and formats robot scopes: `ci/**:pull,push`, with commas between several repositories as well. */
import { patternFault } from "../domain/patterns.js";
import { isPermission, permissions } from "../domain/permission.js";
import type { RobotScope } from "../domain/robot.js";
import { UsageError } from "./command.js";

/** Throws `UsageError`. */
export function parseScope(text: string): RobotScope {
  const colon = text.lastIndexOf(":");
  const repositories = text.slice(0, colon).split(",");
  const granted = text.slice(colon + 1).split(",");
  const wrong = granted.find((word) => !isPermission(word));
  if (colon < 1 || repositories.includes(""))
    throw new UsageError(`--scope: ${text}: expected repositories and permissions, such as ci/**:pull,push`);
  if (wrong !== undefined)
    throw new UsageError(
      `--scope: ${text}: unknown permission ${wrong}; permissions are ${permissions.join(", ")}`,
    );
  for (const pattern of repositories) {
    const fault = patternFault(pattern);
    if (fault !== undefined) throw new UsageError(`--scope: ${text}: ${pattern}: ${fault}`);
  }
  return { repositories, permissions: granted.filter(isPermission) };
}

export function formatScope({ repositories, permissions }: RobotScope): string {
  return `${repositories.join(",")}:${permissions.join(",")}`;
}
