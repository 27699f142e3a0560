/** piscina, loaded when the first pool starts its threads: a server that only serves pulls has none. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

let loaded: typeof import("piscina") | undefined;

/** Synchronous, because the tasks of a pool must stay in order from the first one on. */
export function loadPiscina(): typeof import("piscina") {
  loaded ??= require("piscina") as typeof import("piscina");
  return loaded;
}
