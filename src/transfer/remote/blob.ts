/** Reads a blob from a registry, and goes on where it was when the connection breaks. */
import { SourceError } from "../source.js";
import { expectSuccess, isPassing, type RegistryClient } from "./client.js";
import type { RateLimit } from "./rate.js";

/** Times that one blob is gone on with. */
const resumesMax = 5;

/** A registry that is slower, once it was waited for so long, holds the import up on purpose or cannot be used. */
const slowSeconds = 60;
const bytesPerSecondMin = 1024;

/** Whether the bytes are the right ones is for the caller to see. */
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
      throw new SourceError(`the connection broke, and the rest of ${path} cannot be had by itself`);
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

/** The chunks. Throws where they come too slowly; time that the reader takes does not count. */
async function* steady(chunks: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
  let bytes = 0;
  let waitedMilliseconds = 0;
  let since = performance.now();
  for await (const chunk of chunks) {
    waitedMilliseconds += performance.now() - since;
    bytes += chunk.length;
    const seconds = waitedMilliseconds / 1000;
    if (seconds > slowSeconds && bytes < seconds * bytesPerSecondMin)
      throw new SourceError(`the bytes of ${path} come with less than ${bytesPerSecondMin} a second`);
    yield chunk;
    since = performance.now();
  }
}
