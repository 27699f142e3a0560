/** Signs requests to an S3-compatible store with AWS's signature version 4. */
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { SourceData } from "@smithy/types";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export type Query = Readonly<Record<string, string>>;

export interface Signable {
  readonly method: string;
  /** Encoded. */
  readonly path: string;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string>>;
}

/** S3 signs URLs with every character but these encoded. */
export const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

export function encodedPath(key: string): string {
  return key.split("/").map(encoded).join("/");
}

const contentHash = "x-amz-content-sha256";
const unsignedPayload = "UNSIGNED-PAYLOAD";

/** The hash with which the signer computes. */
class Sha256 {
  readonly #hash;

  constructor(secret?: SourceData) {
    this.#hash =
      secret === undefined
        ? createHash("sha256")
        : createHmac("sha256", typeof secret === "string" ? secret : bytesOf(secret));
  }

  update(data: SourceData): void {
    this.#hash.update(typeof data === "string" ? data : bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error("the signer uses each hash once");
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

export class Signer {
  readonly #signer: SignatureV4;

  constructor(
    readonly host: string,
    region: string,
    credentials: () => Promise<S3Credentials>,
  ) {
    this.#signer = new SignatureV4({
      credentials: async () => {
        const { accessKeyId, secretAccessKey, sessionToken } = await credentials();
        return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
      },
      region,
      service: "s3",
      sha256: Sha256,
      uriEscapePath: false,
      applyChecksum: false,
    });
  }

  /** Resolves with the headers to send. */
  async sign({ method, path, query, headers }: Signable): Promise<Record<string, string>> {
    const { host } = this;
    const signed = await this.#signer.sign({
      method,
      protocol: "https:",
      hostname: host,
      path,
      query: { ...query },
      // A checksum or the parts' checksums protect the bytes, so their hash need not be known when the request begins.
      headers: { ...headers, host, [contentHash]: unsignedPayload },
    });
    return signed.headers;
  }

  /** Resolves with the query of a URL that allows a GET for some time, without its `?`. */
  async presign(path: string, secondsMax: number, query: Query = {}): Promise<string> {
    const { host } = this;
    const signed = await this.#signer.presign(
      {
        method: "GET",
        protocol: "https:",
        hostname: host,
        path,
        query: { ...query },
        // For the signer alone: S3 verifies URLs with this value, and clients send no header.
        headers: { host, [contentHash]: unsignedPayload },
      },
      {
        expiresIn: secondsMax,
        unsignableHeaders: new Set([contentHash]),
        unhoistableHeaders: new Set([contentHash]),
      },
    );
    return queryText(signed.query as Query);
  }
}

export function queryText(query: Query): string {
  return Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .join("&");
}
