import { createRequire } from "node:module";
import { z } from "zod";

const require = createRequire(import.meta.url);

const packageJson = z.object({ version: z.string() });

/** Returns the version that a package states in its package.json. Throws if there is none. */
export function versionOf(packageFile: string): string {
  return packageJson.parse(require(packageFile), { jitless: true }).version;
}

/** The version of Gantry itself. */
export const packageVersion = versionOf("../../../package.json");
