/** All scenarios, and the ones to run in a short time. */
import type { Selection } from "../run.js";
import { attackScenarios } from "./attacks.js";
import { ciDayScenarios } from "./ci-day.js";
import { coldStartScenarios } from "./cold-start.js";
import { deployStormScenarios } from "./deploy-storm.js";
import { firstPullScenarios } from "./first-pull.js";
import { growthBlobSize } from "./growth-blob-size.js";
import { growthConnections } from "./growth-connections.js";
import { growthListings } from "./growth-listings.js";
import { growthWorkers } from "./growth-workers.js";
import { listingScenarios } from "./listings.js";
import { loginScenarios } from "./login.js";
import { memoryScenarios } from "./memory.js";
import { metadataScenarios } from "./metadata.js";
import { mirrorScenarios } from "./mirror.js";
import { modelScenarios } from "./model.js";
import { processesScenarios } from "./processes.js";
import { pullScenarios } from "./pull.js";
import { pushLargeScenarios } from "./push-large.js";
import { pushSmallScenarios } from "./push-small.js";
import { s3NodesScenarios } from "./s3-nodes.js";
import { slowBesideFastScenarios } from "./slow-beside-fast.js";
import { largeStoreScenarios } from "./store-1m.js";
import { zbScenarios } from "./zb.js";

export const everything: Selection = {
  scenarios: [
    ...pushLargeScenarios,
    ...pushSmallScenarios,
    ...ciDayScenarios,
    ...metadataScenarios,
    ...loginScenarios,
    ...pullScenarios,
    ...firstPullScenarios,
    ...memoryScenarios,
    ...deployStormScenarios,
    ...mirrorScenarios,
    ...modelScenarios,
    ...slowBesideFastScenarios,
    ...processesScenarios,
    ...listingScenarios,
    ...coldStartScenarios,
    ...largeStoreScenarios,
    ...zbScenarios,
    ...s3NodesScenarios,
    ...attackScenarios,
  ],
  growths: [growthConnections, ...growthBlobSize, ...growthListings, growthWorkers],
};

/** The most important ones: each kind of work once. */
const quick = [
  "push-1g",
  "push-8x128m",
  "push-small",
  "ci-day",
  "get-manifest-wrk",
  "pull-1g",
  "pull-8x",
  "growth-connections",
];

/** The minimum that runs every part of the bench. */
const smoke = ["zb-push-1m", "get-manifest-wrk", "growth-push-size"];

export function quickSelection(): Selection {
  return named((name) => quick.includes(name));
}

export function smokeSelection(): Selection {
  return named((name) => smoke.includes(name));
}

/** Returns the scenarios whose names start with the text. */
export function selectionOf(beginnings: readonly string[]): Selection {
  return named((name) => beginnings.some((beginning) => name.startsWith(beginning)));
}

function named(isWanted: (name: string) => boolean): Selection {
  return {
    scenarios: everything.scenarios.filter(({ name }) => isWanted(name)),
    growths: everything.growths.filter(({ name }) => isWanted(name)),
  };
}
