/** `gantry token`: robot accounts, made, listed and revoked. */
import { z } from "zod";
import { durationSeconds } from "../config/values.js";
import { permissions } from "../domain/permission.js";
import { isRobotName, type Robot, type RobotName, robotOfUser, userNameOf } from "../domain/robot.js";
import { type Command, type FlagValues, UsageError } from "./command.js";
import { formatTable } from "./format.js";
import { parseOptions } from "./options.js";
import { formatScope, parseScope } from "./robot-scopes.js";

const expiresDefault = "90d";

const scopesMax = 100;
const globCharactersMax = 255;

const name = z.string().refine((text): text is RobotName => isRobotName(text), "not a robot's name");

const creation = z.object({
  name,
  scopes: z
    .array(
      z.object({
        repositories: z.array(z.string().min(1).max(globCharactersMax)).min(1),
        permissions: z.array(z.enum(permissions)).min(1),
      }),
    )
    .min(1)
    .max(scopesMax),
  /** `null`: never. */
  expiresAfterSeconds: z.number().positive().nullable(),
});

const nameParameter = {
  name: "NAME",
  description: "the robot, by its name or by the user name that it logs in with",
};

export const tokenCreate: Command = {
  name: "token create",
  summary: "make a robot account and its key",
  help: `Makes a robot account, for programs to log in with, and prints its key. The key is shown this once: the
registry keeps only a hash of it. The robot NAME logs in as the user robot-NAME, with the key as its password.
It may do what its scopes say, and nothing else; the policy file need not name it.
`,
  flags: {
    scope: {
      type: "string",
      value: "SCOPE",
      multiple: true,
      description: `repositories and what is allowed there, such as "ci/**:pull,push"; of ${permissions.join(", ")}`,
    },
    expires: {
      type: "string",
      value: "TIME",
      description: `how long the key is good for, such as 12h or 30d, or never (${expiresDefault})`,
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
  run: async ({ services: { robots } }, given) => {
    const { name, scopes, expiresAfterSeconds } = parseOptions(creation, given);
    const expiresAt = expiresAfterSeconds === null ? undefined : Date.now() + expiresAfterSeconds * 1000;
    const made = await robots.create(name, scopes, expiresAt);
    if (made === undefined) throw new Error(`there is a robot ${name} already: revoke it first`);
    const report = { ...viewOf(made.robot), key: made.key };
    const text = [
      made.key,
      "",
      `This key is not shown again. It is good until ${timeOf(expiresAt)}, for ${scopes.map(formatScope).join(" and ")}.`,
      `Log in with it: docker login --username ${report.user} --password-stdin REGISTRY`,
    ].join("\n");
    return { report, text, fine: true };
  },
};

export const tokenList: Command = {
  name: "token list",
  summary: "list the robot accounts",
  help: `Lists the robot accounts with their scopes, when their keys end, and when they were last used, to within the
hour. Keys are not shown: nobody has them but those who were given them.
`,
  flags: {},
  examples: [{ command: "gantry token list --json", what: "all of them, for a program" }],
  optionsOf: () => ({}),
  run: async ({ services: { robots } }, given) => {
    parseOptions(z.object({}), given);
    const listed = robots.list();
    const rows = listed.map(({ name, scopes, createdAt, expiresAt, usedAt }) => [
      userNameOf(name),
      scopes.map(formatScope).join(" "),
      timeOf(createdAt),
      `${timeOf(expiresAt)}${expiresAt !== undefined && expiresAt <= Date.now() ? " (expired)" : ""}`,
      timeOf(usedAt),
    ]);
    return {
      report: listed.map(viewOf),
      text: formatTable([["USER", "SCOPES", "CREATED", "EXPIRES", "LAST USED"], ...rows]),
      fine: true,
    };
  },
};

export const tokenRevoke: Command = {
  name: "token revoke",
  summary: "remove a robot account: its key is no good from then on",
  help: `Removes a robot account. Its key is refused from then on, and so are the tokens that were given for it, by the
server that runs too.
`,
  flags: {},
  parameters: [nameParameter],
  examples: [{ command: "gantry token revoke ci", what: "the robot that logs in as robot-ci" }],
  optionsOf: (_, [typed = ""]) => ({ name: parseName(typed) }),
  run: async ({ services: { robots } }, given) => {
    const options = parseOptions(z.object({ name }), given);
    if (!(await robots.revoke(options.name))) throw new Error(`there is no robot ${options.name}`);
    return { report: { revoked: options.name }, text: `${userNameOf(options.name)} is revoked`, fine: true };
  },
};

function parseName(text: string): RobotName {
  const name = robotOfUser(text) ?? text;
  if (isRobotName(name)) return name;
  throw new UsageError(
    `${text} is no robot's name: lower-case letters and digits, with single . _ or - between them`,
  );
}

function listOf(scope: FlagValues[string]): readonly string[] {
  if (Array.isArray(scope)) return scope;
  throw new UsageError("--scope: a robot needs one at least, such as ci/**:pull,push");
}

function secondsOf(expires: FlagValues[string] = expiresDefault): number | null {
  if (expires === "never") return null;
  const seconds = durationSeconds(String(expires));
  if (seconds !== undefined && seconds > 0) return seconds;
  throw new UsageError(`--expires: ${String(expires)} is neither a time such as 12h or 30d nor never`);
}

/** A robot for programs: without the hash of its key. */
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
