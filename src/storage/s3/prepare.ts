/** What a node does with its store before it opens it: tests it, locks it and identifies it. */
import type { S3Client } from "./client.js";
import { type Probed, probeStore, refuseUnfit, toldWithAdvice } from "./probe.js";
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

/** A store that works is tested within a second, and one in another part of the world within two. */
const silentMilliseconds = 3_000;

/** Rejects if the store cannot be used, with `StoreInUse` if others use it. */
export async function prepareStore(client: S3Client, options: PrepareOptions): Promise<PreparedStore> {
  const probed = await probeAndTell(client, options.onWaiting);
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

/** Tests the store. A store that cannot be reached is tried for up to a minute: says why that takes long. */
async function probeAndTell(client: S3Client, onWaiting: (why: string) => void): Promise<Probed> {
  const timer = setTimeout(() => {
    const { lastFailure } = client.requests;
    const why = lastFailure === undefined ? "it has not answered yet" : toldWithAdvice(lastFailure);
    onWaiting(`waiting for ${placeName(client)}: ${why}`);
  }, silentMilliseconds);
  try {
    return await probeStore(client, "short");
  } finally {
    clearTimeout(timer);
  }
}
