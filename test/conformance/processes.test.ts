/** The official conformance program on four processes: its requests reach any of them. */
import { startGantry } from "../support/gantry.js";
import { needsConformance, testConformance } from "./official.js";

await testConformance({
  name: "processes",
  skip: needsConformance,
  start: (settings) => startGantry({ ...settings, REGISTRY_HTTP_PROCESSES: "4" }),
  runs: ["dev", "bearer"],
});
