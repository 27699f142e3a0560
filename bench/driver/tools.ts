/** The versions of the load tools, which matter for figures that a tool has limited. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { findProgram } from "../processes.js";

/** Versions of the installed ones, by name. */
export async function toolVersions(): Promise<Readonly<Record<string, string>>> {
  const autocannon: { version: string } = createRequire(import.meta.url)("autocannon/package.json");
  const wrk = await findProgram("wrk");
  return { autocannon: autocannon.version, ...(wrk !== undefined && { wrk: await wrkVersion(wrk) }) };
}

/** The first words of its usage; it exits with 1. */
async function wrkVersion(program: string): Promise<string> {
  const usage = await new Promise<string>((resolve) => {
    execFile(program, ["-v"], (_, stdout) => resolve(stdout));
  });
  return /^wrk (\S+)/.exec(usage)?.[1] ?? "unknown";
}
