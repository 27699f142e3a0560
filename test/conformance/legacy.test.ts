/**
 * Runs the older conformance suite, of the specification's tag v1.1.1, in each of its configurations. Every test that runs
 * must pass, and every test must run in some run. The suite is a Go test, which `.ci/install` builds into the tools folder
 * if the module proxy has its commit.
 */
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { tarOf, uniqueText, writeImage } from "../clients/images.js";
import { needs, run, temporaryFolder, toolsFolder } from "../clients/support.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { readJunit } from "./junit.js";

const program = "conformance.test";
const skip =
  needs("crane") ||
  (needs(program) && `the suite of v1.1.1 was not built: there is no ${join(toolsFolder, program)}`);

const repository = "legacy/repository";
const tags = ["test0", "test1", "test2", "test3"];
const allWorkflows = ["PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT"];

interface Run {
  readonly name: string;
  readonly workflows: readonly string[];
  readonly mountAnonymous: boolean;
  readonly flags?: readonly string[];
  /** Settings for the suite; may first put content into the registry. */
  readonly prepare?: (registry: Gantry) => Promise<Record<string, string>>;
}

const runs: readonly Run[] = [
  { name: "automatic-mount", workflows: allWorkflows, mountAnonymous: true },
  {
    name: "no-automatic-mount",
    workflows: allWorkflows,
    mountAnonymous: false,
    prepare: async () => ({ OCI_DELETE_MANIFEST_BEFORE_BLOBS: "0" }),
  },
  // The suite runs its test of a failing mount only if the blob was not pushed before.
  {
    name: "nothing-to-mount",
    workflows: allWorkflows,
    mountAnonymous: false,
    flags: ["--ginkgo.skip=Blob Upload Streamed"],
  },
  // Given digests replace those of all content that the suite creates, so only pulls can succeed then.
  { name: "given-content", workflows: ["PULL"], mountAnonymous: true, prepare: pushContent },
  // Given tags skip the set-up of referrers, so only the tests of tags can succeed then.
  {
    name: "given-tags",
    workflows: ["CONTENT_DISCOVERY"],
    mountAnonymous: true,
    flags: ["--ginkgo.focus=listing tags|no push"],
    prepare: async (registry) => {
      await pushContent(registry);
      return { OCI_TAG_LIST: tags.join(",") };
    },
  },
];

/** The names of the tests, and the runs that ran each. */
const ranBy = new Map<string, string[]>();

for (const { name, workflows, mountAnonymous, flags = [], prepare } of runs) {
  test(`the conformance suite of v1.1.1: ${name}`, { skip }, async (t) => {
    await using registry = await startGantry({ REGISTRY_STORAGE_MOUNT_ANONYMOUS: String(mountAnonymous) });
    const results = resolve("results", "conformance", `legacy-${name}`);
    await rm(results, { recursive: true, force: true });
    await mkdir(results, { recursive: true });
    const settings = await prepare?.(registry);
    const outcome = await run(program, flags, {
      cwd: results,
      env: {
        OCI_ROOT_URL: registry.url,
        OCI_NAMESPACE: repository,
        OCI_CROSSMOUNT_NAMESPACE: "legacy/other",
        OCI_AUTOMATIC_CROSSMOUNT: mountAnonymous ? "1" : "0",
        OCI_REPORT_DIR: results,
        ...Object.fromEntries(workflows.map((workflow) => [`OCI_TEST_${workflow}`, "1"])),
        ...settings,
      },
    }).then(() => "passed", String);

    const cases = await readCases(join(results, "junit.xml"));
    const passed = cases.filter(({ status }) => status === "passed");
    for (const { name: testName, status } of cases) {
      const runNames = ranBy.get(testName) ?? [];
      ranBy.set(testName, status === "passed" ? [...runNames, name] : runNames);
    }
    const failed = cases.filter(({ status }) => status !== "passed" && status !== "skipped");
    assert.deepEqual(
      failed.map((c) => `${c.status}: ${c.name}`),
      [],
      `${join(results, "report.html")} tells why`,
    );
    assert.equal(outcome, "passed");
    assert.ok(passed.length > 0, "something ran");
    t.diagnostic(`${passed.length} of ${cases.length} passed, the others did not run, reports in ${results}`);
    for (const { name: testName, status } of cases) {
      if (status === "skipped" && workflows === allWorkflows) t.diagnostic(`not run here: ${testName}`);
    }
  });
}

test("the conformance suite of v1.1.1: every test ran in some run", { skip }, (t) => {
  assert.ok(ranBy.size > 0, "the previous runs reported their tests");
  const never = [...ranBy].filter(([, runNames]) => runNames.length === 0).map(([testName]) => testName);
  assert.deepEqual(never, []);
  t.diagnostic(`${ranBy.size} of ${ranBy.size} tests ran and passed`);
  const everywhere = runs.filter(({ workflows }) => workflows === allWorkflows).length;
  for (const [testName, runNames] of ranBy) {
    const full = runNames.filter((name) => runs.find((run) => run.name === name)?.workflows === allWorkflows);
    if (full.length < everywhere) t.diagnostic(`run by ${runNames.join(", ")}: ${testName}`);
  }
});

/** The suite's tests; those with the same name are distinguished by a number. */
async function readCases(path: string) {
  const { cases, counts } = await readJunit(path);
  assert.equal(cases.length, counts.tests, `${path} lists as many tests as it counts`);
  const seen = new Map<string, number>();
  return cases
    .filter(({ name }) => !name.startsWith("[ReportAfter")) // the reporters, not tests
    .map(({ name, status }) => {
      const nth = (seen.get(name) ?? 0) + 1;
      seen.set(name, nth);
      return { name: nth === 1 ? name : `${name} (${nth})`, status };
    });
}

/** Pushes an image with four tags, and describes it in the form that the suite expects for given content. */
async function pushContent(registry: Gantry): Promise<Record<string, string>> {
  await using folder = await temporaryFolder();
  const layout = join(folder.path, "layout");
  const digest = await writeImage(layout, [tarOf({ text: uniqueText() })]);
  const image = `${registry.host}/${repository}`;
  for (const tag of tags) await run("crane", ["push", layout, `${image}:${tag}`]);
  const manifest = JSON.parse(await run("crane", ["manifest", `${image}@${digest}`]));
  const [tag = ""] = tags;
  return { OCI_TAG_NAME: tag, OCI_MANIFEST_DIGEST: digest, OCI_BLOB_DIGEST: manifest.config.digest };
}
