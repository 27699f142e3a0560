/** The lock of a store as an object, and the messages about who has it. This is the only place that parses it. */
import { nonce, type S3Client } from "./client.js";
import { ifTooLarge } from "./failure.js";
import { keys } from "./keys.js";
import type { ProcessIdentity } from "./process-identity.js";
import { jsonObject } from "./stored-records.js";

export interface LockRecord extends ProcessIdentity {
  /** Whether the node is alone, or shares the store with others by an engine. */
  readonly mode: "single" | "cluster";
  /** Names one run of a node. */
  readonly owner: string;
  /** Names what the nodes of a cluster share. */
  readonly engine?: string;
}

export interface FoundLock {
  readonly etag: string;
  /** Since it was written, by the store's clock. */
  readonly ageSeconds: number;
  /** Absent if the object is damaged. */
  readonly record?: LockRecord;
}

const lockBytesMax = 64 * 1024;

/** Each write differs from all others, so that the lock's ETag does. */
export function lockBytes(record: LockRecord): Buffer {
  return Buffer.from(JSON.stringify({ ...record, nonce: nonce() }));
}

/** Resolves with `undefined` if nobody has the lock. */
export async function readLock(client: S3Client): Promise<FoundLock | undefined> {
  const object = await client.get(keys.lock, lockBytesMax).catch(async (error: unknown) => {
    ifTooLarge(error);
    const head = await client.head(keys.lock);
    return head && { ...head, bytes: Buffer.alloc(0) };
  });
  if (object === undefined) return undefined;
  const { etag, answeredAt, modifiedAt } = object;
  const record = parseLock(object.bytes);
  return { etag, ageSeconds: (answeredAt - modifiedAt) / 1000, ...(record && { record }) };
}

function parseLock(bytes: Buffer): LockRecord | undefined {
  const { mode, owner, engine, host, pid, space, started } = jsonObject(bytes) ?? {};
  if (mode !== "single" && mode !== "cluster") return undefined;
  if (typeof owner !== "string" || typeof host !== "string" || typeof pid !== "number") return undefined;
  return {
    mode,
    owner,
    host,
    pid,
    space: typeof space === "string" ? space : "",
    started: typeof started === "string" ? started : "",
    ...(typeof engine === "string" && { engine }),
  };
}

/** Addresses that reach another server on each machine. */
const loopback = /^(127\.|localhost:|::1:|\[::1\]:)/i;

function isLoopbackOfAnother(one: LockRecord, other: LockRecord): boolean {
  return loopback.test(one.engine ?? "") && one.host !== other.host;
}

/**
 * Whether two nodes may use the store at the same time. Nothing but the spelling of its address tells that two nodes have the
 * same engine, so it must be the same, and one of loopback counts on one machine only.
 */
export function canShare(one: LockRecord, other: LockRecord): boolean {
  if (one.mode !== "cluster" || other.mode !== "cluster") return false;
  return one.engine === other.engine && !isLoopbackOfAnother(one, other);
}

/** Says why `mine` cannot use the store beside the holder, and what to do. */
export function inUseBy({ record, ageSeconds }: FoundLock, mine: LockRecord): string {
  const who = record === undefined ? "somebody" : `process ${record.pid} on ${record.host}`;
  const when = `renewed its lock ${Math.max(0, Math.round(ageSeconds))} s ago`;
  const used = `the bucket is in use: ${who} ${when}`;
  if (record?.mode === "cluster" && mine.mode === "single")
    return `${used}, as a node of a cluster; to join it, set redis.addrs to the engine of the other nodes`;
  if (record?.mode === "cluster" && record.engine === mine.engine)
    return `${used}, with the engine ${record.engine}, which is another server on each machine; set redis.addrs to an address that is the same server for all nodes`;
  if (record?.mode === "cluster")
    return `${used}, as a node of a cluster with another engine: ${record.engine} instead of ${mine.engine}; set redis.addrs and redis.db to that engine, written exactly as at the other nodes`;
  return `${used}; several nodes need an engine that they share: set redis.addrs on each of them, or stop the other node`;
}
