/** `gantry config check`, `show` and `reference`: validates and prints settings without starting a server. */
import type { Flags } from "../commands/command.js";
import type { Effective, Settings } from "../config/config.js";
import { variableOf } from "../config/environment.js";
import { ConfigError, formatOrigin, formatProblem } from "../config/errors.js";
import { keysOf } from "../config/keys.js";
import { upstreamsOf } from "../config/proxy.js";
import { schema } from "../config/schema.js";
import type { ServiceCheck } from "./check-store.js";
import type { Entry } from "./entry.js";
import { complain, jsonFlag, print } from "./output.js";
import { settingsFlags, settingsOf } from "./settings.js";

const flags = { ...jsonFlag, ...settingsFlags };

const offlineFlag = {
  offline: {
    type: "boolean",
    description: "do not connect to a bucket, the server of redis, upstream registries or the login server",
  },
} as const satisfies Flags;

export const configCheck: Entry = {
  line: {
    name: "config check",
    summary: "report every error in the settings, and test the services that they name",
    help: `Reads the settings and the files that they name as \`gantry serve\` would. Reports every error, and every setting
that has no effect. Connects to the bucket of storage.s3, tests whether the store honours the conditions that the registry
needs, with races of sixteen writers, and to the server of redis; leaves nothing there. Asks each upstream registry of proxy
whether it accepts the credentials, and what is left of its rate limit, and the login server of auth.oidc for its endpoints.
Prints a line for each result. A server starts without an upstream or a login server, so a failure there is a warning. Exits
with 0 if a server can start with these settings, otherwise with 2.`,
    flags: { ...flags, ...offlineFlag },
    examples: [
      { command: "gantry config check --config config.yml", what: "check a file before a server uses it" },
      { command: "gantry config check --json", what: "check the environment, as JSON" },
    ],
  },
  run: async ({ values }, invocation) => {
    try {
      const settings = await settingsOf(invocation, values);
      const { checkFiles } = await import("./check-files.js");
      await checkFiles(settings);
      const { notices } = settings;
      const checks = [
        ...(await memoryChecks(settings)),
        ...(values.offline === true ? [] : await checksOf(settings)),
      ];
      const fine = checks.every(({ outcome }) => outcome !== "failed");
      const lines = [
        ...notices.map(formatProblem),
        ...checks.map(formatCheck),
        fine ? "A server can start with these settings." : "A server cannot start with these settings.",
      ];
      print(invocation, values, { report: { fine, problems: [], notices, checks }, text: lines.join("\n") });
      return fine ? 0 : 2;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { problems, notices } = error;
      if (values.json !== true) {
        for (const notice of notices) complain(invocation, `setting ${formatProblem(notice)}`);
        throw error;
      }
      print(invocation, values, { report: { fine: false, problems, notices, checks: [] }, text: "" });
      return 2;
    }
  },
};

async function memoryChecks({ config }: Settings): Promise<readonly ServiceCheck[]> {
  const { memoryWarning, processesOf } = await import("../server/processes/shares.js");
  const detail = memoryWarning(processesOf(config));
  if (detail === undefined) return [];
  return [{ key: "http.processes", what: "memory of this machine", outcome: "warning", detail }];
}

/** Loads the clients of services only if the settings name one. */
async function checksOf({ config }: Settings): Promise<readonly ServiceCheck[]> {
  const { auth, storage, proxy } = config;
  const namesService = storage.s3 !== undefined || auth.oidc !== undefined || upstreamsOf(proxy).length > 0;
  if (!namesService) return [];
  const { checkServices } = await import("./check-store.js");
  return checkServices(config);
}

const marks = { fine: "ok", warning: "WARNING", failed: "FAILED", "not supported": "without" } as const;

function formatCheck({ key, what, outcome, detail }: ServiceCheck): string {
  return `${marks[outcome]}: ${key}: ${what}: ${detail}`;
}

export const configShow: Entry = {
  line: {
    name: "config show",
    summary: "print the settings in effect and the source of each",
    help: `Prints every setting in effect as YAML that can serve as a settings file. A comment names the source of each: default,
line of the file, or variable. Secrets are hidden.`,
    flags,
    examples: [
      { command: "gantry config show --config config.yml", what: "as YAML" },
      {
        command: `gantry config show --json | jq '.["http.addr"].value'`,
        what: "read one value in a script",
      },
    ],
  },
  run: async ({ values }, invocation) => {
    const { effective } = await settingsOf(invocation, values);
    print(invocation, values, { report: reportOf(effective), text: await yamlOf(effective) });
    return 0;
  },
};

export const configReference: Entry = {
  line: {
    name: "config reference",
    summary: "print the reference of all settings",
    help: "Prints all settings as a Markdown page: description, default and variable of each.",
    flags: jsonFlag,
    examples: [{ command: "gantry config reference | less", what: "page through it" }],
  },
  run: async ({ values }, invocation) => {
    const report = keysOf(schema).map(({ path, description, defaultValue }) => ({
      key: path.join("."),
      variable: variableOf(path),
      default: defaultValue,
      description,
    }));
    const { renderReference } = await import("../config/reference.js");
    print(invocation, values, { report, text: renderReference().trimEnd() });
    return 0;
  },
};

/** Settings by key. */
function reportOf(effective: Settings["effective"]): Record<string, unknown> {
  return Object.fromEntries(
    effective.map(({ path, value, origin }) => [path.join("."), { value, ...origin }]),
  );
}

async function yamlOf(effective: readonly Effective[]): Promise<string> {
  const { Document, isScalar } = await import("yaml");
  const document = new Document({}, { schema: "failsafe" });
  for (const { path, value, origin } of effective) {
    const node = document.createNode(value);
    const comment = ` ${formatOrigin(origin) ?? "default"}`;
    // After a single line, above several lines.
    if (isScalar(node)) node.comment = comment;
    else node.commentBefore = comment;
    document.setIn(path, node);
  }
  return document.toString({ lineWidth: 0 }).trimEnd();
}
