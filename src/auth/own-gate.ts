/** The gate for what the registry does by itself: operators' commands, and the cache of other registries. It allows all. */
import { Gate } from "./gate.js";
import { openPolicy } from "./policy.js";

export const ownGate = new Gate(openPolicy);
