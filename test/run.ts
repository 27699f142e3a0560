/**
 * Runs the tests of `npm test`, or with `--quick` the unit tests and one push and pull.
 *
 * A process loads the whole program, which takes most of the time of a short file. So short files share processes: those of
 * a group run in one, one after another. Two pools run side by side, so that the cores always have work: files that compute,
 * the longest first, and files that mostly wait for time limits of the server.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { PassThrough } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

/** Files that mostly wait; the longest first. */
const waiting = [
  "slow-clients",
  "tags",
  "auth-changes",
  "traces",
  "tls",
  "unread-output",
  "tls-reload",
  "notifications-delivery",
  "garbage",
  "connection-limits",
  "open-htpasswd",
  "framing",
  "raw-socket",
];

/** Files that compute for long, or measure their own process; the longest first. */
const alone = [
  "auth-matrix",
  "import-distribution",
  "damage",
  "import-registry",
  "process",
  "restart",
  "export",
  "metrics-load",
  "commands",
  "storage-filesystem",
  "open-sessions",
  "command-line",
  "start",
  "leaks",
  "fast-clients",
  "threads",
  "worker-pool",
  "lower-priority",
];

/** Groups of each folder: as few as keep a group shorter than the longest file. */
const groups = { unit: 3, api: 4, operator: 2, upstream: 1 } as const;

const quick = process.argv.includes("--quick");
const slowestMax = 10;
/** No file takes a quarter of it. One whose failed test has left a server or a socket open would never end. */
const timeout = 10 * 60_000;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const nameOf = (file: string) => basename(file, ".test.js");

function filesIn(folder: string): string[] {
  return readdirSync(here(folder))
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => here(join(folder, name)));
}

const folders = quick ? (["unit"] as const) : (["unit", "api", "operator", "upstream"] as const);
const files = [...folders.flatMap(filesIn), ...(quick ? filesIn("quick") : [])];

/** Returns the files with these names, in that order. */
function picked(names: readonly string[]): string[] {
  return names.flatMap((name) => files.filter((file) => nameOf(file) === name));
}

for (const name of quick ? [] : [...waiting, ...alone])
  if (picked([name]).length !== 1) throw new Error(`test/run.ts names ${name}, which is not one test file`);

/** Writes a file for each group that imports its files. */
function grouped(): string[] {
  const folder = here("groups");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folders.flatMap((name) => {
    const members = filesIn(name).filter((file) => ![...waiting, ...alone].includes(nameOf(file)));
    return Array.from({ length: groups[name] }, (_, index) => {
      const imported = members.filter((_, number) => number % groups[name] === index);
      const path = join(folder, `${name}-${index + 1}.test.js`);
      writeFileSync(path, groupOf(imported));
      return path;
    });
  });
}

/**
 * Text of a file that imports these. Its tests start when all are loaded: the runner takes a file for finished, and stops its
 * servers, when its tests so far have ended.
 */
function groupOf(imported: readonly string[]): string {
  return [
    'import { before } from "node:test";',
    "let loaded;",
    "const all = new Promise((resolve) => { loaded = resolve; });",
    "before(() => all);",
    ...imported.map((file) => `await import(${JSON.stringify(file)});`),
    "loaded();\n",
  ].join("\n");
}

// As the program itself has it: syncs must not keep other work from the disk waiting.
process.env.UV_THREADPOOL_SIZE ??= "16";

const cores = availableParallelism();
const pools = [
  {
    files: [...picked(alone), ...grouped(), ...(quick ? filesIn("quick") : [])],
    concurrency: cores,
  },
  { files: picked(waiting), concurrency: 2 },
].filter((pool) => pool.files.length > 0);

/** The events of both pools, for one report. Each pool ends with a summary of its own; they are added up. */
const events = new PassThrough({ objectMode: true });
const totals = new Map<string, number>();
const milliseconds = new Map<string, number>();
const began = performance.now();

async function tests(pool: { readonly files: string[]; readonly concurrency: number }): Promise<void> {
  for await (const event of run({ ...pool, timeout })) {
    if (event.type === "test:fail" && event.data.todo === undefined) process.exitCode = 1;
    if (event.type === "test:pass" || event.type === "test:fail") {
      const { nesting, file = "", details } = event.data;
      if (nesting === 0) milliseconds.set(file, (milliseconds.get(file) ?? 0) + details.duration_ms);
    }
    const summed = event.type === "test:diagnostic" ? /^([a-z_]+) ([\d.]+)$/.exec(event.data.message) : null;
    if (summed?.[1] === undefined) events.write(event);
    else totals.set(summed[1], (totals.get(summed[1]) ?? 0) + Number(summed[2]));
  }
}

async function report(): Promise<void> {
  for await (const text of events.compose(new spec())) process.stdout.write(text);
}

await Promise.all([report(), Promise.all(pools.map(tests)).then(() => void events.end())]);

totals.delete("duration_ms");
const counts = [...totals].map(([name, value]) => `${value} ${name}`).join(", ");
const seconds = (value: number) => `${(value / 1000).toFixed(1)} s`;
console.log(`\n${counts} in ${seconds(performance.now() - began)}. The slowest files:`);
const slowest = [...milliseconds].sort(([, one], [, other]) => other - one).slice(0, slowestMax);
for (const [file, time] of slowest)
  console.log(`${seconds(time).padStart(8)}  ${file.slice(here(".").length)}`);
