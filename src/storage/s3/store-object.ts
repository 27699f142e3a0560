/** The object that makes a bucket, or a prefix of it, a store: its format and its identity. Written once. */
import { randomUUID } from "node:crypto";
import type { S3Client } from "./client.js";
import { overtaken } from "./failure.js";
import { keys } from "./keys.js";
import { jsonObject } from "./stored-records.js";

export interface StoreIdentity {
  /** Distinguishes this store from all others. */
  readonly id: string;
  /** Whether this call has created the store. */
  readonly fresh: boolean;
}

const format = 1;

/** Several nodes may start at once; none removes the object. */
const attemptsMax = 3;

/** Resolves with the store's identity. If there is no store, creates one, or rejects without `create`. */
export async function identifyStore(client: S3Client, create: boolean): Promise<StoreIdentity> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const found = await client.get(keys.store);
    if (found !== undefined) return { id: idOf(found.bytes), fresh: false };
    const where = placeName(client);
    if (!create) throw new Error(`there is no store in ${where}`);
    const id = randomUUID();
    const written = await client.put(keys.store, Buffer.from(JSON.stringify({ format, id })), {
      ifNoneMatch: "*",
    });
    if (written !== undefined) return { id, fresh: true };
  }
  throw overtaken(`the object ${keys.store}`);
}

function idOf(bytes: Buffer): string {
  const stored = jsonObject(bytes);
  if (typeof stored?.id !== "string" || typeof stored.format !== "number")
    throw new Error(`the object ${keys.store} does not describe a store of Gantry`);
  if (stored.format !== format)
    throw new Error(
      `the store has format ${stored.format}, but this version knows format ${format} only: start a version that knows it`,
    );
  return stored.id;
}

/** Names the bucket and the prefix for messages. */
export function placeName({ requests: { place } }: S3Client): string {
  const prefix = place.prefix === "" ? "" : `, prefix ${place.prefix}`;
  return `the bucket ${place.bucket} of ${place.endpoint}${prefix}`;
}
