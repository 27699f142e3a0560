/**
 * Fetches a small JSON document of an issuer, with bounded time and size. It follows no redirect, so that nobody can direct
 * it to an internal address.
 */
import { boundedRequest } from "../../lib/bounded-request.js";

/** Time limit, including connecting: a client is waiting. */
const millisecondsMax = 5_000;
/** Key sets have about 10 KB. */
const bytesMax = 256 * 1024;

export interface FetchOptions {
  /** CA certificates as PEM for the issuer; by default those of Node.js. */
  readonly ca: string | undefined;
}

/** Rejects unless the response is a 200 with JSON. */
export async function fetchJson(url: URL, { ca }: FetchOptions): Promise<unknown> {
  const signal = AbortSignal.timeout(millisecondsMax);
  const headers = { Accept: "application/json" };
  const { status, body } = await boundedRequest(url, { headers, ca, signal, bytesMax });
  if (status !== 200) throw new Error(`the response status is ${status}`);
  return JSON.parse(body.toString("utf8"));
}
