/**
 * Runs the official conformance program of the OCI distribution specification with everything enabled: nothing may fail, and
 * nothing may be skipped or disabled, except what a run's settings exclude.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { needs, run } from "../clients/support.js";
import type { GantrySettings } from "../support/gantry.js";
import { LoginFiles } from "../support/login.js";
import { readJunit } from "./junit.js";

/** For a test's `skip`. */
export const needsConformance = needs("conformance");

/** Listed one by one, because some are off by default for a released version of the specification. */
const apis = [
  ...["PING", "PULL", "PUSH", "REFERRER", "TAGS_ATOMIC", "TAGS_DELETE", "TAGS_LIST"],
  ...["BLOBS_ATOMIC", "BLOBS_DELETE", "BLOBS_DIGEST_HEADER", "BLOBS_MOUNT_ANONYMOUS", "BLOBS_UPLOAD_CANCEL"],
  ...["MANIFESTS_ATOMIC", "MANIFESTS_DELETE", "MANIFESTS_DIGEST_HEADER", "MANIFESTS_TAG_PARAM"],
];
const data = [
  ...["IMAGE", "INDEX", "INDEX_LIST", "ARTIFACT", "ARTIFACT_LIST", "SUBJECT", "SUBJECT_MISSING"],
  ...["SUBJECT_LIST", "DATA_FIELD", "NONDISTRIBUTABLE", "CUSTOM_FIELDS", "NO_LAYERS", "EMPTY_BLOB", "SHA512"],
];
const sparseName = "Sparse Manifests";

interface Run {
  readonly name: string;
  readonly version: string;
  readonly sparse: boolean;
  /** The program's login; absent if it needs none. */
  readonly challenge?: "basic" | "bearer";
}

const runs: readonly Run[] = [
  { name: "1.1", version: "1.1", sparse: false },
  { name: "dev", version: "dev", sparse: false },
  { name: "sparse", version: "dev", sparse: true },
  { name: "basic", version: "dev", sparse: false, challenge: "basic" },
  { name: "bearer", version: "dev", sparse: false, challenge: "bearer" },
];

const user = "conformance";
const password = "a secret";

/** A registry for one run of the program. */
export interface TestedRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

export interface Subject {
  /** For the tests' names, and the folder of the reports. Empty for the default store. */
  readonly name: string;
  readonly skip: false | string;
  readonly start: (settings: GantrySettings) => Promise<TestedRegistry>;
  /** Names of cases that the program may skip, if clients must log in. */
  readonly maySkip?: RegExp;
  /** Names of the runs; absent for all. */
  readonly runs?: readonly string[];
}

/** Adds a test for each run. Call it, and await it, before the file's first test. */
export async function testConformance({ name: subject, skip, start, ...limits }: Subject): Promise<void> {
  const { maySkip } = limits;
  const files = await LoginFiles.make();
  await files.users({ [user]: password });
  await files.policy(`rules: [{ repositories: "**", users: ${user}, allow: [pull, push, delete] }]`);
  for (const run of runs.filter(({ name }) => limits.runs?.includes(name) !== false)) {
    const { name, version, sparse, challenge } = run;
    const login = challenge === undefined ? "" : `, logged in by ${challenge}`;
    const where = subject === "" ? "" : `, ${subject}`;
    test(`the official conformance program, version ${version}, sparse ${sparse}${login}${where}`, {
      skip,
    }, async (t) => {
      await using registry = await start({
        REGISTRY_VALIDATION_MANIFESTS_SPARSE: String(sparse),
        ...(challenge !== undefined && { ...files.settings, REGISTRY_AUTH_CHALLENGE: challenge }),
      });
      const results = resolve("results", "conformance", subject, name);
      t.diagnostic(
        await runProgram(registry.host, results, run, challenge === undefined ? undefined : maySkip),
      );
    });
  }
}

/** Returns a summary. */
async function runProgram(
  host: string,
  results: string,
  { version, sparse, challenge }: Run,
  maySkip: RegExp | undefined,
): Promise<string> {
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  const outcome = await run("conformance", [], {
    cwd: results,
    env: {
      OCI_REGISTRY: host,
      OCI_TLS: "disabled",
      OCI_VERSION: version,
      OCI_RESULTS_DIR: results,
      ...Object.fromEntries(apis.map((api) => [`OCI_API_${api}`, "true"])),
      ...Object.fromEntries(data.map((kind) => [`OCI_DATA_${kind}`, "true"])),
      OCI_DATA_SPARSE: String(sparse),
      ...(challenge !== undefined && { OCI_USERNAME: user, OCI_PASSWORD: password }),
    },
  }).then(() => "passed", String);

  const { cases, counts } = await readJunit(join(results, "junit.xml"));
  const permitted = cases.filter((c) => c.status === "skipped" && maySkip?.test(c.name) === true);
  const notPassed = cases.filter((c) => c.status !== "passed" && !permitted.includes(c));
  const told = notPassed.map((c) => `${c.status}: ${c.name}`);
  assert.deepEqual(told, [], `${join(results, "report.html")} tells why`);
  const { tests = 0, failures = 0, errors = 0, skipped = 0, disabled = 0 } = counts;
  assert.deepEqual(
    { failures, errors, skipped, disabled },
    { failures: 0, errors: 0, skipped: permitted.length, disabled: 0 },
  );
  assert.ok(tests >= cases.length, "the report counts at least the tests that it lists");

  const yaml = await readFile(join(results, "results.yaml"), "utf8");
  assert.deepEqual(switchedOff(yaml), sparse ? [] : ["sparse"]);
  const statuses = [...section(yaml, "apis"), ...section(yaml, "data")];
  assert.ok(section(yaml, "apis").length > 0 && section(yaml, "data").length > 0, "both parts ran");
  assert.deepEqual(
    statuses.filter(([, status]) => status !== "Pass"),
    sparse ? [] : [[sparseName, "Disabled"]],
  );
  assert.equal(outcome, "passed");
  return `${tests} passed (${cases.length} cases), ${statuses.length} kinds, reports in ${results}`;
}

/** The `name: status` lines of a section at the top of results.yaml. */
function section(yaml: string, name: string): (readonly [string, string])[] {
  const body = new RegExp(`^${name}:\n((?: .*\n)+)`, "m").exec(yaml)?.[1] ?? "";
  return [...body.matchAll(/^ {2}(\S.*): (\S+)$/gm)].map(([, key = "", value = ""]) => [key, value]);
}

/** Flags of the program's configuration that are off, to notice a flag that a later version adds. */
function switchedOff(yaml: string): string[] {
  return [...yaml.matchAll(/^ +(\w+): false$/gm)].map(([, flag = ""]) => flag);
}
