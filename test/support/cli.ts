// The program that tests run: what was built beside them, or an installed package where GANTRY_CLI names one.

import { fileURLToPath } from "node:url";

export const cli = process.env.GANTRY_CLI ?? fileURLToPath(new URL("../../src/gantry.cjs", import.meta.url));
