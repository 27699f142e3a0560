/** Robot accounts: created, listed and revoked by operators' commands and on the web page. */
import { z } from "zod";
import type { RobotsPermit } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import { patternFault } from "../domain/patterns.js";
import { isPermission, permissions } from "../domain/permission.js";
import { isRobotName, type Robot, type RobotName, type RobotScope, userNameOf } from "../domain/robot.js";
import type { Services } from "./services.js";

type RobotServices = Pick<Services, "robots">;

const scopesMax = 100;
const patternsMax = 100;
const patternCharactersMax = 255;

/** A hundred years; a time far beyond cannot be written as a date. */
const lifetimeSecondsMax = 100 * 365 * 86_400;

/** All robots are in memory, with up to some KiB each. */
const robotsMax = 10_000;

export const robotRequest = z.object({
  name: z.string().refine((text): text is RobotName => isRobotName(text), "not a robot name"),
  scopes: z
    .array(
      z.object({
        repositories: z.array(z.string().min(1).max(patternCharactersMax)).min(1).max(patternsMax),
        permissions: z.array(z.enum(permissions)).min(1),
      }),
    )
    .min(1)
    .max(scopesMax),
  /** `null`: never. */
  expiresAfterSeconds: z.number().positive().max(lifetimeSecondsMax).nullable(),
});

export interface RobotRequest {
  readonly name: RobotName;
  readonly scopes: readonly RobotScope[];
  readonly expiresAfterSeconds: number | null;
}

/**
 * Returns the scope for these patterns and permissions, as people write them. Throws `request-invalid`, which says what is
 * wrong.
 */
export function robotScope(repositories: readonly string[], granted: readonly string[]): RobotScope {
  const wrong = granted.find((word) => !isPermission(word));
  if (wrong !== undefined)
    throw invalid(`unknown permission ${wrong}; permissions are ${permissions.join(", ")}`);
  for (const pattern of repositories) {
    const fault = patternFault(pattern);
    if (fault !== undefined) throw invalid(`${pattern}: ${fault}`);
    if (pattern.length > patternCharactersMax)
      throw invalid(
        `${pattern.slice(0, 40)}…: a pattern of a robot has at most ${patternCharactersMax} characters`,
      );
  }
  if (repositories.length > patternsMax) throw invalid(`a scope has at most ${patternsMax} patterns`);
  return { repositories, permissions: granted.filter(isPermission) };
}

/** Rejects with `robot-exists` if the name is taken. The key is not shown again. */
export async function createRobot(
  { robots }: RobotServices,
  _: RobotsPermit,
  { name, scopes, expiresAfterSeconds }: RobotRequest,
): Promise<{ readonly robot: Robot; readonly key: string }> {
  if (robots.size >= robotsMax)
    throw invalid(`there are ${robotsMax} robots, and no more are possible: revoke some first`);
  const expiresAt = expiresAfterSeconds === null ? undefined : Date.now() + expiresAfterSeconds * 1000;
  const made = await robots.create(name, scopes, expiresAt);
  if (made === undefined)
    throw new RegistryError("robot-exists", `the robot ${name} already exists: revoke it first`);
  return made;
}

/** Returns all robots by name, including expired ones. */
export function listRobots({ robots }: RobotServices, _: RobotsPermit): Robot[] {
  return robots.list();
}

/** Rejects with `robot-unknown` if there is none. */
export async function revokeRobot(
  { robots }: RobotServices,
  _: RobotsPermit,
  name: RobotName,
): Promise<void> {
  if (!(await robots.revoke(name)))
    throw new RegistryError("robot-unknown", `there is no ${userNameOf(name)}`);
}

function invalid(message: string): RegistryError {
  return new RegistryError("request-invalid", message);
}
