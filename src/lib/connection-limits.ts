/** Computes how many connections a process can accept with its file descriptors, of which files need some too, and its memory. */

export interface ConnectionLimits {
  /** Open connections. */
  readonly total: number;
  /** The same of one client. */
  readonly perClient: number;
  /** Processes that share the port. `perClient` holds over all of them, `total` for each. */
  readonly processes?: number;
}

/** Logs, libraries, threads, the store's own files, the overflow's files, and connections that wait to be refused. */
const ownDescriptors = 160;

/** Open uploads and blobs. They get less if the descriptor limit is low. */
const fileDescriptorsMax = 16_000;

const connectionsMax = 16_384;
const perClientMax = 4096;

/** The lower bound, however few descriptors and however little memory there are. */
export const connectionsMin = 16;

/** Returns the descriptors that uploads and blobs may use. */
function fileDescriptors(descriptors: number): number {
  return Math.min(descriptors / 2, fileDescriptorsMax);
}

/** An upload beyond these is closed while it is idle, and read and hashed again from its start when it goes on. */
const openUploadsMax = 1024;
const openUploadsMin = 8;

/** An upload takes a second descriptor once it is written past the page cache. */
const descriptorsPerUpload = 2;

/** Returns how many uploads each worker may keep open. All workers use half of the descriptors for files, blobs the rest. */
export function openUploadsPerWorker(descriptors: number, workers: number): number {
  const each = Math.floor(fileDescriptors(descriptors) / 2 / workers / descriptorsPerUpload);
  return Math.max(openUploadsMin, Math.min(openUploadsMax, each));
}

/** A blob that nobody reads stays open for the next reader. */
export const idleBlobsMax = 256;
const idleBlobsMin = 8;

/** Returns how many blobs may stay open that nobody reads: half of what blobs get, the rest is for those being read. */
export function idleBlobs(descriptors: number): number {
  return Math.max(idleBlobsMin, Math.min(idleBlobsMax, Math.floor(fileDescriptors(descriptors) / 4)));
}

const mebibyte = 1024 * 1024;

/** Memory for everything but the heads of requests, of one process and of each further one (docs/decisions/0058). */
const ownMemoryBytes = 256 * mebibyte;
const furtherMemoryBytes = 128 * mebibyte;

/** The resources of the process, and the part that one connection may take: a client can leave the largest head unfinished. */
export interface ConnectionCosts {
  readonly descriptors: number;
  readonly descriptorsEach: number;
  /** Memory of all `processes` together. */
  readonly memoryBytes: number;
  readonly memoryBytesEach: number;
  readonly processes: number;
  /** Processes over which the connections of one client are counted: `processes` or 1. */
  readonly clientProcesses: number;
}

/**
 * Returns the `wanted` limits, lowered to the number that the descriptors allow. By default the memory bounds the total too,
 * and a client gets half of the places of all processes, so that one address cannot keep all others out.
 */
export function connectionLimits(
  wanted: { readonly total?: number | undefined; readonly perClient?: number | undefined },
  costs: ConnectionCosts,
): ConnectionLimits {
  const { descriptors, descriptorsEach, memoryBytes, memoryBytesEach, processes, clientProcesses } = costs;
  const files = fileDescriptors(descriptors);
  const possible = Math.floor((descriptors - ownDescriptors - files) / descriptorsEach);
  const headBytes = memoryBytes - ownMemoryBytes - furtherMemoryBytes * (processes - 1);
  const affordable = Math.floor(headBytes / processes / memoryBytesEach);
  const byDefault = Math.max(connectionsMin, Math.min(connectionsMax, affordable));
  const total = Math.min(Math.max(connectionsMin, possible), wanted.total ?? byDefault);
  const places = total * clientProcesses;
  const perClient = wanted.perClient ?? Math.max(1, Math.min(perClientMax, Math.floor(places / 2)));
  return { total, perClient: Math.min(places, perClient) };
}

/**
 * The last eighth of the places is for clients with few connections: otherwise some addresses, each below its limit, could
 * take all places, and nobody else could connect.
 */
const reservedShare = 1 / 8;
const fewConnections = 8;

/** Returns whether a client with `own` of the `open` connections must leave the free places to others. */
export function mustLeaveRoom(own: number, open: number, total: number): boolean {
  return own >= fewConnections && open >= total * (1 - reservedShare);
}
