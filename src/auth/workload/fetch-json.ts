/**
 * Fetches a small JSON document of an issuer. Bounded in time and size, and never anywhere else than it was asked
 * to: it follows no redirect, so that nobody can send it to an address inside.
 */
import { get as getOverHttp, type IncomingMessage } from "node:http";
import { get as getOverHttps } from "node:https";

/** All the time that it may take, connecting included: a client waits for it. */
const millisecondsMax = 5_000;
/** Key sets have some 10 KB. */
const bytesMax = 256 * 1024;

export interface FetchOptions {
  /** Certificates, as PEM, that the issuer's own leads to; absent for those that Node.js knows. */
  readonly ca: string | undefined;
}

/** Rejects where there is no answer of 200 with JSON in it. */
export async function fetchJson(url: URL, { ca }: FetchOptions): Promise<unknown> {
  const signal = AbortSignal.timeout(millisecondsMax);
  const headers = { Accept: "application/json" };
  const text = await new Promise<string>((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => void read(answer).then(resolve, reject);
    // No agent: one request in ten minutes needs no connection kept.
    const request =
      url.protocol === "https:"
        ? getOverHttps(url, { agent: false, signal, headers, ...(ca !== undefined && { ca }) }, onAnswer)
        : getOverHttp(url, { agent: false, signal, headers }, onAnswer);
    request.on("error", reject);
  });
  return JSON.parse(text);
}

async function read(answer: IncomingMessage): Promise<string> {
  try {
    if (answer.statusCode !== 200) throw new Error(`it answers with status ${answer.statusCode}`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`it answers with more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    answer.destroy();
  }
}
