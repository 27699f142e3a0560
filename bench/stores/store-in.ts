/** Fills a contender's folder before it starts, in that contender's own layout. */
import type { ContenderName } from "../contenders.js";
import { DistributionStore } from "./distribution.js";
import { GantryStore } from "./gantry.js";
import { layStore, type StoreShape } from "./lay.js";
import type { StoreWriter } from "./writer.js";

/** Generates a store of that shape for any contender. */
export function laying(shape: StoreShape): (name: ContenderName, dataFolder: string) => void {
  return (name, dataFolder) => layStore(storeIn(name, dataFolder), shape);
}

function storeIn(name: ContenderName, dataFolder: string): StoreWriter {
  if (name.startsWith("gantry")) return new GantryStore(dataFolder);
  if (name === "docker-registry" || name === "distribution-3") return new DistributionStore(dataFolder);
  throw new Error(`the layout of ${name} is not known here`);
}
