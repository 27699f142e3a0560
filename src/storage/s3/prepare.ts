/** What a node does with its store before it opens it: tests it, locks it and identifies it. */
import type { S3Client } from "./client.js";
import { probeStore, refuseUnfit } from "./probe.js";
import { acquireStoreLock, type StoreLock, type StoreLockOptions } from "./store-lock.js";
import { identifyStore, placeName, type StoreIdentity } from "./store-object.js";

export interface PrepareOptions extends Omit<StoreLockOptions, "removesWithCondition"> {
  /** Whether to create a store if there is none. */
  readonly create: boolean;
}

export interface PreparedStore extends StoreIdentity {
  readonly lock: StoreLock;
  /** Whether the store honours conditions of removals. */
  readonly removesWithCondition: boolean;
}

/** Rejects if the store cannot be used, with `StoreInUse` if others use it. */
export async function prepareStore(client: S3Client, options: PrepareOptions): Promise<PreparedStore> {
  const probed = await probeStore(client, "short");
  refuseUnfit(probed, placeName(client));
  const { removesWithCondition } = probed;
  // A command that expects a store must leave nothing in a bucket without one.
  if (!options.create) await identifyStore(client, false);
  const lock = await acquireStoreLock(client, { ...options, removesWithCondition });
  try {
    return { ...(await identifyStore(client, options.create)), lock, removesWithCondition };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
