/** The writer of a contender's own layout. */
import type { ContenderName } from "../contenders.js";
import { DistributionStore } from "./distribution.js";
import { GantryStore } from "./gantry.js";
import type { StoreWriter } from "./writer.js";

export function storeIn(name: ContenderName, dataFolder: string): StoreWriter {
  if (name.startsWith("gantry")) return new GantryStore(dataFolder);
  if (name === "docker-registry" || name === "distribution-3") return new DistributionStore(dataFolder);
  throw new Error(`the layout of ${name} is not known here`);
}
