// A download that a test looks at while it is running.

import { get } from "node:http";

export interface Download {
  readonly status: number;
  /** What had arrived when the download was returned. */
  readonly received: Buffer;
  /** All bytes. Rejects if the connection breaks. */
  readonly ended: Promise<Buffer>;
  /** Bytes that have arrived so far. */
  bytes(): number;
  /** Reads no more, until `resume`. */
  pause(): void;
  resume(): void;
  destroy(): void;
}

/** Begins a download, and resolves when `bytes` have arrived, or when it has ended. */
export function download(
  url: string,
  bytes = Number.POSITIVE_INFINITY,
  headers: Readonly<Record<string, string>> = {},
): Promise<Download> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const ended = new Promise<Buffer>((done, broken) => {
        response.once("end", () => done(Buffer.concat(chunks)));
        response.once("error", broken);
      });
      ended.catch(() => {});
      let isReturned = false;
      const begun = () => {
        if (isReturned) return;
        isReturned = true;
        resolve({
          status: response.statusCode ?? 0,
          received: Buffer.concat(chunks),
          ended,
          bytes: () => length,
          pause: () => response.pause(),
          resume: () => response.resume(),
          destroy: () => response.destroy(),
        });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= bytes) begun();
      });
      response.once("close", begun);
    }).once("error", reject);
  });
}
