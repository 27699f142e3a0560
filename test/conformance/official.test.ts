/** The official conformance program on the default store. */
import { startGantry } from "../support/gantry.js";
import { needsConformance, testConformance } from "./official.js";

await testConformance({ name: "", skip: needsConformance, start: startGantry });
