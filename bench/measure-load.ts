/** Measures one request repeated on many connections: rate and latency from the tool, and CPU time. */
import { timed } from "./arena.js";
import type { Contender } from "./contenders.js";
import { type Load, type LoadResult, type LoadTool, loadTools } from "./driver/load.js";
import { findProgram } from "./processes.js";
import { progress } from "./progress.js";
import type { Sample } from "./scenario.js";

/** Returns whether the tool is installed; says so if not. */
export async function toolIsThere(tool: LoadTool): Promise<boolean> {
  if (tool !== "wrk" || (await findProgram(tool)) !== undefined) return true;
  progress("wrk is not installed: continuing without it");
  return false;
}

export async function measureLoad(
  contender: Contender,
  tool: LoadTool,
  load: Omit<Load, "endpoint">,
): Promise<Sample> {
  let result: LoadResult = { requests: 0, requestsPerSecond: 0 };
  const timing = await timed(contender, async () => {
    result = await loadTools[tool]({ endpoint: contender, ...load });
  });
  const { requests, requestsPerSecond, ...details } = result;
  return { value: requestsPerSecond, ...timing, requests, details: { ...details } };
}
