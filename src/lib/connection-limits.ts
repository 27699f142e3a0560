/** How many connections a process can take: each costs descriptors, and files need some too. */

export interface ConnectionLimits {
  /** Connections that are open at a time. */
  readonly total: number;
  /** The same of one client. */
  readonly perClient: number;
}

/** Logs, libraries, threads, the store's own files, the overflow's files, and connections that wait to be refused. */
const ownDescriptors = 160;

/** Uploads and blobs that are open. They take less where descriptors are few. */
const fileDescriptorsMax = 16_000;

/** A client that is slow with its head holds 64 KiB of memory at the most. */
const connectionsMax = 16_384;
const perClientMax = 4096;

/** What is never gone below, however few descriptors there are. */
const connectionsMin = 16;

/** Descriptors that uploads and blobs may take of those of the process. */
function fileDescriptors(descriptors: number): number {
  return Math.min(descriptors / 2, fileDescriptorsMax);
}

/** An upload beyond these is closed while it is idle, and read and hashed again from its start when it goes on. */
const openUploadsMax = 1024;
const openUploadsMin = 8;

/** An upload takes a second descriptor once it is written past the page cache. */
const descriptorsPerUpload = 2;

/** Uploads that each of `workers` may keep open: together they take half of the files' descriptors, blobs the others. */
export function openUploadsPerWorker(descriptors: number, workers: number): number {
  const each = Math.floor(fileDescriptors(descriptors) / 2 / workers / descriptorsPerUpload);
  return Math.max(openUploadsMin, Math.min(openUploadsMax, each));
}

/**
 * `wanted` as far as `descriptors` go, of which a connection takes `each`. By default one client gets half of all, so that
 * nobody who comes from one address keeps the others out.
 */
export function connectionLimits(
  wanted: { readonly total?: number | undefined; readonly perClient?: number | undefined },
  { descriptors, each }: { readonly descriptors: number; readonly each: number },
): ConnectionLimits {
  const files = fileDescriptors(descriptors);
  const possible = Math.max(connectionsMin, Math.floor((descriptors - ownDescriptors - files) / each));
  const total = Math.min(possible, wanted.total ?? connectionsMax);
  const perClient = wanted.perClient ?? Math.max(1, Math.min(perClientMax, Math.floor(total / 2)));
  return { total, perClient: Math.min(total, perClient) };
}
