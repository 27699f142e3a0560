// What an S3 server has answered, read from its own log, so that a test can count requests.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { within } from "./gantry.js";

export interface S3Request {
  readonly method: string;
  /** The name of the operation in S3's documentation, such as `PutObject`. */
  readonly operation: string;
  /** With the bucket and the query, encoded as it was sent. */
  readonly path: string;
  readonly status: number;
}

/** Returns how often each kind of request occurs, such as `{ "PUT PutObject": 3 }`. */
export function countByKind(requests: readonly S3Request[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method, operation } of requests) {
    const kind = `${method} ${operation}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** The logs name operations, not methods. */
const methods: readonly (readonly [name: RegExp, method: string])[] = [
  [/^Head/, "HEAD"],
  [/^(Get|List)/, "GET"],
  [/^(DeleteObjects|DeleteMultipleObjects|CreateMultipartUpload|CompleteMultipartUpload)$/, "POST"],
  [/^(Delete|Abort)/, "DELETE"],
  [/^(Put|Copy|Upload|Create)/, "PUT"],
];

function methodOf(operation: string): string {
  return methods.find(([name]) => name.test(operation))?.[1] ?? "OTHER";
}

/** A line of versitygw's access log, as far as the status: a key may contain spaces, a path may not. */
const accessLine = /\] \S+ \S+ \S+ s3_(\w+) .* (\/\S*) (\d{3}) /;

/** versitygw writes a line before it sends the response. */
export class AccessLog {
  #start = 0;

  constructor(readonly file: string) {}

  async requests(): Promise<S3Request[]> {
    const lines = (await this.#text()).subarray(this.#start).toString().split("\n");
    return lines.flatMap((line) => {
      const [, operation = "", path = "", status] = accessLine.exec(line) ?? [];
      return status === undefined
        ? []
        : [{ method: methodOf(operation), operation, path, status: Number(status) }];
    });
  }

  async reset(): Promise<void> {
    this.#start = (await this.#text()).length;
  }

  async close(): Promise<void> {}

  #text(): Promise<Buffer> {
    return readFile(this.file);
  }
}

interface AuditEntry {
  readonly api?: { readonly name?: string; readonly statusCode?: number };
  readonly requestPath?: string;
  readonly requestQuery?: Readonly<Record<string, string>>;
}

/** MinIO's names for operations that S3 calls otherwise. */
const minioNames: Readonly<Record<string, string>> = {
  NewMultipartUpload: "CreateMultipartUpload",
  PutObjectPart: "UploadPart",
  CopyObjectPart: "UploadPartCopy",
  PutBucket: "CreateBucket",
};

const auditEntriesMax = 1_000_000;
/** MinIO tries a web hook that did not answer in time again only after a pause, which a busy machine can cause. */
const auditMillisecondsMax = 60_000;

/** MinIO sends its audit log to a web hook, soon after each response. A request of our own shows that it has caught up. */
export class AuditLog {
  #entries: S3Request[] = [];
  #marks = 0;
  readonly #onMark = new Map<string, () => void>();

  private constructor(
    readonly endpoint: string,
    readonly server: Server,
  ) {}

  static async open(endpoint: string): Promise<AuditLog> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        response.end();
        log.#add(Buffer.concat(chunks).toString());
      });
    });
    const log = new AuditLog(endpoint, server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return log;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async requests(): Promise<S3Request[]> {
    await this.#catchUp();
    return this.#entries;
  }

  async reset(): Promise<void> {
    await this.#catchUp();
    this.#entries = [];
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
  }

  async #catchUp(): Promise<void> {
    this.#marks += 1;
    const path = `/mark-${this.#marks}/`;
    const seen = new Promise<void>((resolve) => this.#onMark.set(path, resolve));
    await fetch(`${this.endpoint}${path}`, { signal: AbortSignal.timeout(auditMillisecondsMax) });
    await within(auditMillisecondsMax, "the audit log", seen);
  }

  #add(text: string): void {
    if (text === "" || this.#entries.length >= auditEntriesMax) return;
    const { api, requestPath = "", requestQuery = {} } = JSON.parse(text) as AuditEntry;
    const onMark = this.#onMark.get(requestPath);
    if (onMark !== undefined) {
      this.#onMark.delete(requestPath);
      onMark();
      return;
    }
    if (api?.name === undefined) return;
    const operation = minioNames[api.name] ?? api.name;
    const query = String(new URLSearchParams(requestQuery));
    this.#entries.push({
      method: methodOf(operation),
      operation,
      path: query === "" ? requestPath : `${requestPath}?${query}`,
      status: api.statusCode ?? 0,
    });
  }
}
