/** `gantry token`: creates, lists and revokes robot accounts. */
import { z } from "zod";
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import { isProtected } from "../config/is-protected.js";
import { durationSeconds } from "../config/values.js";
import { permissions } from "../domain/permission.js";
import { isRobotName, type Robot, type RobotName, robotOfUser, userNameOf } from "../domain/robot.js";
import { formatTable } from "../lib/format.js";
import { createRobot, listRobots, revokeRobot, robotRequest } from "../registry/robot-accounts.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { parseOptions } from "./options.js";
import { formatScope, parseScope } from "./robot-scopes.js";

const expiresDefault = "90d";

const name = z.string().refine((text): text is RobotName => isRobotName(text), "not a robot name");

/** Operators have the store, so no policy limits them. */
const permit = ownGate.robots(anonymous);

const nameParameter = {
  name: "NAME",
  description: "the robot's name, or its user name with robot-",
};

export const tokenCreate: Command = {
  name: "token create",
  summary: "create a robot account and print its key",
  help: `Creates a robot account with which programs log in, and prints its key. The key is shown only once: the registry
keeps only a hash of it. The robot NAME logs in as the user robot-NAME, with the key as its password. It may do
exactly what its scopes allow; the policy file need not name it.
`,
  flags: {
    scope: {
      type: "string",
      value: "SCOPE",
      multiple: true,
      description: `repositories and permissions, such as "ci/**:pull,push"; permissions are ${permissions.join(", ")}`,
    },
    expires: {
      type: "string",
      value: "TIME",
      description: `lifetime of the key, such as 12h or 30d, or never (default ${expiresDefault})`,
    },
  },
  parameters: [
    { name: "NAME", description: "lower-case letters and digits, with single . _ or - between them" },
  ],
  examples: [
    {
      command: 'gantry token create ci --scope "ci/**:pull,push" --scope "base/**:pull"',
      what: "push to ci, pull from base",
    },
    { command: 'gantry token create deploy --scope "**:pull" --expires never', what: "pull everything" },
  ],
  optionsOf: ({ scope, expires }, [typed = ""]) => ({
    name: parseName(typed),
    scopes: listOf(scope).map(parseScope),
    expiresAfterSeconds: secondsOf(expires),
  }),
  run: async ({ services, config }, given) => {
    const { robot, key } = await createRobot(services, permit, parseOptions(robotRequest, given));
    const { expiresAt, scopes } = robot;
    const report = { ...viewOf(robot), key };
    const text = [
      key,
      "",
      `This key is not shown again. It expires: ${timeOf(expiresAt)}. Scopes: ${scopes.map(formatScope).join(" and ")}.`,
      `To log in: docker login --username ${report.user} --password-stdin REGISTRY`,
      ...(isProtected(config)
        ? []
        : ["These settings enable no logins: set auth.robots.enabled to true, and restart the server."]),
    ].join("\n");
    return { report, text, fine: true };
  },
};

export const tokenList: Command = {
  name: "token list",
  summary: "list the robot accounts",
  help: `Lists robot accounts with their scopes, the expiry of their keys, and the time of last use, accurate to the hour.
It cannot show keys, because the registry keeps only hashes.
`,
  flags: {},
  examples: [{ command: "gantry token list --json", what: "list them as JSON" }],
  optionsOf: () => ({}),
  run: async ({ services }, given) => {
    parseOptions(z.object({}), given);
    const listed = listRobots(services, permit);
    const rows = listed.map(({ name, scopes, createdAt, expiresAt, usedAt }) => [
      userNameOf(name),
      scopes.map(formatScope).join(" "),
      timeOf(createdAt),
      `${timeOf(expiresAt)}${expiresAt !== undefined && expiresAt <= Date.now() ? " (expired)" : ""}`,
      timeOf(usedAt),
    ]);
    return {
      report: listed.map(viewOf),
      text: formatTable([["USER", "SCOPES", "CREATED", "EXPIRES", "LAST USED"], ...rows], [0, 1, 2, 3, 4]),
      fine: true,
    };
  },
};

export const tokenRevoke: Command = {
  name: "token revoke",
  summary: "remove a robot account and invalidate its key",
  help: `Removes a robot account. Its key and the tokens issued for it are refused from then on, also by a running server.
`,
  flags: {},
  parameters: [nameParameter],
  examples: [{ command: "gantry token revoke ci", what: "the robot that logs in as robot-ci" }],
  optionsOf: (_, [typed = ""]) => ({ name: parseName(typed) }),
  run: async ({ services }, given) => {
    const options = parseOptions(z.object({ name }), given);
    await revokeRobot(services, permit, options.name);
    return { report: { revoked: options.name }, text: `${userNameOf(options.name)} is revoked`, fine: true };
  },
};

function parseName(text: string): RobotName {
  const name = robotOfUser(text) ?? text;
  if (isRobotName(name)) return name;
  throw new UsageError(
    `${text} is not a robot name: use lower-case letters and digits, with single . _ or - between them`,
  );
}

function listOf(scope: FlagValues[string]): readonly string[] {
  if (Array.isArray(scope)) return scope;
  throw new UsageError("--scope: give at least one, such as ci/**:pull,push");
}

function secondsOf(expires: FlagValues[string] = expiresDefault): number | null {
  if (expires === "never") return null;
  const seconds = durationSeconds(String(expires));
  if (seconds !== undefined && seconds > 0) return seconds;
  throw new UsageError(`--expires: ${String(expires)} is neither a time such as 12h or 30d nor never`);
}

/** The JSON view of a robot, without the hash of its key. */
function viewOf({ name, scopes, createdAt, expiresAt, usedAt }: Robot) {
  return {
    name,
    user: userNameOf(name),
    scopes,
    createdAt: timeOf(createdAt),
    expiresAt: expiresAt === undefined ? null : timeOf(expiresAt),
    lastUsedAt: usedAt === undefined ? null : timeOf(usedAt),
  };
}

function timeOf(at: number | undefined): string {
  return at === undefined ? "never" : new Date(at).toISOString();
}
