/** Stored robot accounts. This is the only place that parses them. */
import { z } from "zod";
import { patternFault } from "../domain/patterns.js";
import { permissions } from "../domain/permission.js";
import type { Robot, RobotName } from "../domain/robot.js";

const record = z.strictObject({
  name: z.string(),
  keyHash: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(
    z.strictObject({ repositories: z.array(z.string()), permissions: z.array(z.enum(permissions)) }),
  ),
  createdAt: z.number(),
  expiresAt: z.number().optional(),
  usedAt: z.number().optional(),
});

/** Returns `undefined` if the bytes are not this robot's complete record, so that it cannot log in. */
export function parseRobot(name: RobotName, bytes: Buffer): Robot | undefined {
  try {
    const parsed = record.safeParse(JSON.parse(bytes.toString()));
    return parsed.success && parsed.data.name === name ? { ...parsed.data, name } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Yields what is wrong with the scopes of a robot that an earlier version or an editor has stored. */
export function* scopeFaults(robot: Robot): Generator<string> {
  for (const pattern of robot.scopes.flatMap(({ repositories }) => repositories)) {
    const fault = patternFault(pattern);
    if (fault !== undefined) yield `its scope ${JSON.stringify(pattern)} grants nothing: ${fault}`;
  }
}
