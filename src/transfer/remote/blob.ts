/** Reads a blob from a registry, and resumes after a broken connection. */
import { SourceError } from "../source.js";
import { expectSuccess, isPassing, type RegistryClient } from "./client.js";
import type { RateLimit } from "./rate.js";

/** Maximum resumptions of one blob. */
const resumesMax = 5;

/** If a registry stays slower for this long, it stalls the import deliberately or is unusable. */
const slowSeconds = 60;
const bytesPerSecondMin = 1024;

/** Does not verify the bytes; the caller must. */
export async function* readBlob(
  client: RegistryClient,
  repository: string,
  path: string,
  rate: RateLimit | undefined,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let read = 0;
  for (let resumes = 0; ; resumes++) {
    const answer = await client.request(repository, path, read > 0 ? { Range: `bytes=${read}-` } : {});
    if (read > 0 && answer.statusCode !== 206) {
      await answer.body.dump();
      throw new SourceError(`the connection broke, and the registry cannot send only the rest of ${path}`);
    }
    if (answer.statusCode > 299) await answer.body.dump();
    expectSuccess(answer, path);
    try {
      for await (const chunk of steady(answer.body as AsyncIterable<Uint8Array>, path)) {
        await rate?.pass(chunk.length, signal);
        read += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
      if (resumes === resumesMax)
        throw new SourceError(`the connection broke while ${path} was read`, { cause: error });
    }
  }
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
