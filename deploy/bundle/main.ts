/** Builds the program into `dist`, for `npm run build`, and with `--if-changed` for `npm start`. */
import { fileURLToPath } from "node:url";
import { forgetSources, hashOfSources, isBuiltFrom, rememberSources } from "./sources.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const hash = await hashOfSources(root);
if (!process.argv.includes("--if-changed") || !(await isBuiltFrom(hash, root))) {
  await forgetSources(root);
  // Loading esbuild takes longer than the rest of a start that builds nothing.
  const { buildProgram } = await import("./program.js");
  await buildProgram(root);
  await rememberSources(hash, root);
}
