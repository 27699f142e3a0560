/**
 * Tests whether a store does what the protocol of the driver needs (docs/decisions/0044), above all that of several nodes
 * which write one object under a condition, one succeeds. A store that ignores a condition answers like one that honours it,
 * so only a race tells. Each test has an object of its own, which it removes.
 */
import { randomUUID } from "node:crypto";
import { describeError } from "../../lib/describe-error.js";
import { inParallel } from "../../lib/in-parallel.js";
import { adviceFor } from "./advice.js";
import type { S3Client } from "./client.js";
import { isFull, S3Failure } from "./failure.js";
import { keys } from "./keys.js";
import {
  type Check,
  conditionedRemoval,
  fullChecks,
  reach,
  shortChecks,
  writeAndRead,
} from "./probe-checks.js";

export interface ProbeResult {
  readonly what: string;
  readonly outcome: "fine" | "failed" | "not supported";
  /** What was found. */
  readonly detail: string;
  /** Whether the test failed only because the store has no room. */
  readonly isFull: boolean;
}

export interface Probed {
  readonly results: readonly ProbeResult[];
  /** Whether the store honours `If-Match` for removals. */
  readonly removesWithCondition: boolean;
}

/** `short` for each start of a node, about 80 requests; `full` for `gantry config check`. */
export type ProbeDepth = "short" | "full";

/** Tests at once: a race has sixteen requests. */
const checksAtOnce = 4;

/** Never rejects because of the store: a failure is a result. */
export async function probeStore(client: S3Client, depth: ProbeDepth): Promise<Probed> {
  const reached = await resultOf(client, reach);
  if (reached.outcome === "failed") return { results: [reached], removesWithCondition: false };
  // A store that cannot be written to would fail each test for the same reason.
  const first = depth === "short" ? [] : [await resultOf(client, writeAndRead)];
  if (first.some(({ outcome }) => outcome === "failed"))
    return { results: [reached, ...first], removesWithCondition: false };
  const checks = depth === "short" ? shortChecks : fullChecks;
  const results = new Map<Check, ProbeResult>();
  await inParallel(checks, checksAtOnce, async (check) => {
    results.set(check, await resultOf(client, check));
  });
  return {
    results: [reached, ...first, ...checks.flatMap((check) => results.get(check) ?? [])],
    removesWithCondition: results.get(conditionedRemoval)?.outcome === "fine",
  };
}

/** Throws an error that names each failed test, and each reason once, if there is one. */
export function refuseUnfit({ results }: Probed, place: string): void {
  const failed = results.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  const tests = new Map<string, string[]>();
  for (const { what, detail } of failed) tests.set(detail, [...(tests.get(detail) ?? []), what]);
  const failures = [...tests].map(([detail, names]) => `${names.join(", ")}: ${detail}`);
  throw new Error(`${place} cannot be used as a store: ${failures.join("; ")}`);
}

async function resultOf(client: S3Client, check: Check): Promise<ProbeResult> {
  const { what } = check;
  const root = keys.probe(randomUUID());
  const used = new Set<string>();
  const key = (suffix = ""): string => {
    used.add(`${root}${suffix}`);
    return `${root}${suffix}`;
  };
  try {
    let full = false;
    const fault = await check.run(client, key).catch((error: unknown) => {
      full = isFull(error);
      return toldFailure(error);
    });
    if (fault === undefined) return { what, outcome: "fine", detail: check.fine, isFull: false };
    return { what, outcome: check.isOptional ? "not supported" : "failed", detail: fault, isFull: full };
  } finally {
    await inParallel(used, used.size, (each) => client.delete(each)).catch(ignoreFailure);
  }
}

function toldFailure(error: unknown): string {
  ignoreFailure(error);
  return toldWithAdvice(error);
}

/** Says what failed and what to do. */
export function toldWithAdvice(error: unknown): string {
  const said = describeError(error).replace(/\.$/, "");
  const advice = adviceFor(error);
  return advice === undefined ? said : `${said}; ${advice}`;
}

/** The failure of a removal is the result of another test. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof S3Failure)) throw error;
}
