/** Reads a blob from a registry, and resumes after a broken connection. */
import { atMost, SourceError } from "../source.js";
import { type Answer, discard, isPassing, isSilence } from "./answer.js";
import type { RegistryClient } from "./client.js";
import type { RateLimit } from "./rate.js";

/** Maximum resumptions of one blob. */
const resumesMax = 5;

/** If a registry stays slower for this long, it stalls the import deliberately or is unusable. */
const slowSeconds = 60;
const bytesPerSecondMin = 1024;

export interface BlobOptions {
  /** Size in the blob's descriptor, in bytes: the bound if the registry announces none. */
  readonly size: number | undefined;
  readonly rate: RateLimit | undefined;
  readonly signal: AbortSignal;
  /** Aborts the requests, too. */
  readonly late?: AbortSignal;
  /** Called once before the first bytes, with the announced size in bytes, if any. Throws to refuse the blob. */
  readonly onBegin?: (bytes: number | undefined) => void;
}

/** Does not verify the bytes; the caller must. Rejects when there are more than announced. */
export async function* readBlob(
  client: RegistryClient,
  repository: string,
  path: string,
  { size, rate, signal, late, onBegin }: BlobOptions,
): AsyncIterable<Uint8Array> {
  let bytesMax: number | undefined;
  let announced: number | undefined;
  let read = 0;
  for (let resumes = 0; ; resumes++) {
    const headers = read > 0 ? { Range: `bytes=${read}-` } : {};
    const answer = await client.request(repository, path, headers, "GET", late);
    if (read > 0 && answer.statusCode !== 206) {
      await discard(answer);
      throw new SourceError(`the connection broke, and the registry cannot send only the rest of ${path}`);
    }
    if (read > 0 && !isRestFrom(answer, read, announced)) {
      await discard(answer);
      throw new SourceError(
        `the connection broke, and the registry sent another part of ${path} than the rest`,
      );
    }
    if (answer.statusCode > 299) await discard(answer);
    client.demandSuccess(answer, path);
    // A descriptor may be wrong, so a length that the registry announces counts more: it ends, whatever it is.
    if (bytesMax === undefined) await begin(answer, onBegin);
    if (read === 0) announced = announcedBytes(answer);
    bytesMax ??= announced ?? size ?? Number.POSITIVE_INFINITY;
    const than = bytesMax === size ? "its descriptor" : "the registry announced";
    const before = read;
    const rest = atMost(answer.body, bytesMax - read, `${path} is longer than ${than}: ${bytesMax} bytes`);
    try {
      for await (const chunk of steady(rest, path)) {
        await rate?.pass(chunk.length, signal);
        read += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
      // Further attempts would hold those who wait for the blob, and what the registry sends instead may cost CPU time.
      if (read === before && isSilence(error))
        throw new SourceError(`the registry began to send ${path}, but no byte of it arrived in time`, {
          cause: error,
        });
      if (resumes === resumesMax)
        throw new SourceError(`the connection broke while ${path} was read`, { cause: error });
    }
  }
}

/** `onBegin` may refuse by throwing. */
async function begin(answer: Answer, onBegin: BlobOptions["onBegin"]): Promise<void> {
  try {
    onBegin?.(announcedBytes(answer));
  } catch (error) {
    await discard(answer);
    throw error;
  }
}

/** Whether a partial response begins at byte `start` (RFC 9110, 14.4), of a blob of `bytes`, as far as both are known. */
function isRestFrom({ headers }: Answer, start: number, bytes: number | undefined): boolean {
  const range = headers["content-range"];
  // The digest decides then.
  if (range === undefined) return true;
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(typeof range === "string" ? range : "") ?? [];
  if (Number(first) !== start) return false;
  return total === "*" || bytes === undefined || Number(total) === bytes;
}

/** Returns the response's `Content-Length`, if any. */
export function announcedBytes({ headers }: Answer): number | undefined {
  const length = headers["content-length"];
  return typeof length === "string" && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** Returns the chunks. Throws if they arrive too slowly; the reader's own time does not count. */
async function* steady(chunks: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
  let bytes = 0;
  let waitedMilliseconds = 0;
  let since = performance.now();
  for await (const chunk of chunks) {
    waitedMilliseconds += performance.now() - since;
    bytes += chunk.length;
    const seconds = waitedMilliseconds / 1000;
    if (seconds > slowSeconds && bytes < seconds * bytesPerSecondMin)
      throw new SourceError(`the bytes of ${path} arrive at less than ${bytesPerSecondMin} per second`);
    yield chunk;
    since = performance.now();
  }
}
