/**
 * The operations of an S3-compatible store that the driver needs. A condition that is not met is an answer, not a failure.
 * Keys are without the prefix. All methods reject with `S3Failure`.
 */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { ifTooLarge, noSuchUpload, S3Failure } from "./failure.js";
import type { S3Requests, S3Response } from "./requests.js";
import { elementsOf, escaped, refuseError, rootOf, textOf } from "./xml.js";

/** The version of an object that a read or write has seen. */
export interface Stamp {
  readonly etag: string;
  /** In milliseconds since the epoch, by the clock of the store. */
  readonly modifiedAt: number;
  /** The store's clock when it answered. */
  readonly answeredAt: number;
}

export interface ObjectRead extends Stamp {
  readonly bytes: Buffer;
  /** What was noted beside the bytes when the object was written. */
  readonly note?: string | undefined;
}

export interface ObjectHead extends Stamp {
  readonly size: number;
  /** Of the whole object, in base64, if the store knows it and was asked for it. */
  readonly sha256?: string;
}

export interface Listed {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  /** In milliseconds since the epoch, by the clock of the store. */
  readonly modifiedAt: number;
}

export interface Part {
  readonly number: number;
  readonly etag: string;
}

export interface OpenMultipart {
  readonly key: string;
  readonly id: string;
  /** In milliseconds since the epoch, by the clock of the store. */
  readonly beganAt: number;
}

/** How an object is written. */
export interface PutOptions {
  readonly condition?: Condition;
  /** In base64; the store checks it. Otherwise a weaker checksum is sent. */
  readonly sha256?: string | undefined;
  /** Text of at most 2,000 letters and digits that is kept beside the bytes. */
  readonly note?: string;
}

const noteHeader = "x-amz-meta-gantry";

export type Condition = { readonly ifNoneMatch: "*" } | { readonly ifMatch: string };

/** Keys of one page of a listing; S3 sends no more. */
const pageKeys = 1000;

/** A store may copy all parts before it answers. */
const completionSeconds = 60;

/** Objects that are read whole are smaller. */
const objectBytesMax = 16 * 1024 * 1024;

export class S3Client {
  constructor(readonly requests: S3Requests) {}

  /**
   * Resolves with the object, or with `undefined` if there is none. Rejects with the code `answerTooLarge` for an object of
   * more than `bytesMax` bytes, and reads little of it.
   */
  async get(key: string, bytesMax = objectBytesMax): Promise<ObjectRead | undefined> {
    const request = { method: "GET", key, bytesMax, expected: [200, 404] } as const;
    const { status, headers, bytes } = await this.requests.send(request);
    return status === 404 ? undefined : { ...stampOf(headers), bytes, note: headers[noteHeader] };
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    const { status, headers } = await this.requests.send({ method: "HEAD", key, expected: [200, 404] });
    return status === 404 ? undefined : { ...stampOf(headers), size: Number(headers["content-length"]) };
  }

  /** Like `head`, also asking for the object's SHA-256. */
  async headWithSha256(key: string): Promise<ObjectHead | undefined> {
    const request = { method: "HEAD", key, headers: { "x-amz-checksum-mode": "ENABLED" } } as const;
    const { status, headers } = await this.requests.send({ ...request, expected: [200, 404] });
    if (status === 404) return undefined;
    const head = { ...stampOf(headers), size: Number(headers["content-length"]) };
    const sha256 = headers["x-amz-checksum-sha256"];
    // That of an object in parts may be one of the parts' checksums, which ends in their number.
    return sha256 === undefined || sha256.includes("-") ? head : { ...head, sha256 };
  }

  /**
   * Fills `into` with the object's bytes from `position` on, and resolves with their number, which is less only at the end
   * of the object; `undefined` if there is no object.
   */
  async read(key: string, into: Uint8Array, position: number): Promise<number | undefined> {
    if (into.length === 0) return 0;
    const range = `bytes=${position}-${position + into.length - 1}`;
    const { status, bytes } = await this.requests.send({
      method: "GET",
      key,
      headers: { range },
      expected: [206, 404, 416],
      into,
    });
    if (status === 404) return undefined;
    return status === 416 ? 0 : bytes.length;
  }

  /**
   * Writes an object. If its condition is not met, writes nothing and resolves with `undefined`. The body or the note of a
   * conditional write needs a `nonce`, because a response may be lost.
   */
  async put(key: string, body: Uint8Array, condition?: Condition): Promise<Stamp | undefined> {
    return this.write(key, body, condition === undefined ? {} : { condition });
  }

  /** Like `put`. */
  async write(
    key: string,
    body: Uint8Array,
    { condition, sha256, note }: PutOptions,
  ): Promise<Stamp | undefined> {
    const headers: Record<string, string> = {
      ...this.requests.place.objectHeaders,
      ...(sha256 === undefined ? checksumOf(body) : { "x-amz-checksum-sha256": sha256 }),
      ...(note !== undefined && { [noteHeader]: note }),
    };
    if (condition !== undefined && "ifMatch" in condition) headers["if-match"] = condition.ifMatch;
    else if (condition !== undefined) headers["if-none-match"] = condition.ifNoneMatch;
    const request = { method: "PUT", key, headers, body } as const;
    if (condition === undefined)
      return stampOf((await this.requests.send({ ...request, expected: [200] })).headers);
    // 404: the object to be matched is gone. 409, another write is running, leaves the condition open: that is tried again.
    const expected = "ifMatch" in condition ? [200, 404, 412] : [200, 412];
    const answer = await this.requests.send({ ...request, expected });
    if (answer.status === 200) return stampOf(answer.headers);
    if (answer.attempts === 1) return undefined;
    // The response to an earlier attempt may have been lost. The nonce tells whether it was carried out.
    const found = await this.get(key, Math.max(objectBytesMax, body.length)).catch(ifTooLarge);
    return found?.bytes.equals(body) && found.note === note ? found : undefined;
  }

  /** Removes an object, with `ifMatch` only this version of it. A missing one is no error. */
  async delete(key: string, ifMatch?: string): Promise<void> {
    const headers = ifMatch === undefined ? {} : { "if-match": ifMatch };
    await this.requests.send({ method: "DELETE", key, headers, expected: [200, 204, 404, 409, 412] });
  }

  /** Removes up to 1,000 objects. Missing ones are no error. */
  async deleteAll(keys: readonly string[]): Promise<void> {
    const { prefix } = this.requests.place;
    const list = keys.map((key) => `<Object><Key>${escaped(`${prefix}${key}`)}</Key></Object>`);
    const body = Buffer.from(
      `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${list.join("")}</Delete>`,
    );
    const { status, bytes } = await this.requests.send({
      method: "POST",
      key: "",
      query: { delete: "" },
      // All stores accept this checksum, which S3 demanded before it had others.
      headers: { "content-md5": createHash("md5").update(body).digest("base64") },
      body,
      expected: [200, 400, 405, 501],
    });
    if (status !== 200) {
      // Google's store removes one object at a time.
      for (const key of keys) await this.delete(key);
      return;
    }
    const [failed] = elementsOf(rootOf(bytes, "DeleteResult"), "Error");
    if (failed !== undefined)
      throw new S3Failure(
        `an object could not be removed: ${textOf(failed, "Code")}: ${textOf(failed, "Message")}`,
      );
  }

  /** Yields the objects whose keys begin with `prefix` and come after `after`, in ASCII order. One request for each page. */
  async *list(prefix: string, after = "", pageSize = pageKeys): AsyncGenerator<Listed> {
    for await (const page of this.#pages({ prefix, after, pageSize })) {
      for (const entry of elementsOf(page, "Contents"))
        yield {
          key: this.#withoutPrefix(textOf(entry, "Key")),
          size: Number(textOf(entry, "Size")),
          etag: textOf(entry, "ETag"),
          modifiedAt: Date.parse(textOf(entry, "LastModified")),
        };
    }
  }

  /**
   * Yields the beginnings of the keys that begin with `prefix`, up to the next `/`, each once, in ASCII order, after those
   * that begin with `after`.
   */
  async *listFolders(prefix: string, after = "", pageSize = pageKeys): AsyncGenerator<string> {
    for await (const page of this.#pages({ prefix, after, pageSize, delimiter: "/" })) {
      for (const entry of elementsOf(page, "CommonPrefixes")) {
        const folder = this.#withoutPrefix(textOf(entry, "Prefix"));
        // A store may begin with the folder that `after` lies in.
        if (folder > after && !(after !== "" && after.startsWith(folder))) yield folder;
      }
    }
  }

  async *#pages(options: { prefix: string; after: string; pageSize: number; delimiter?: string }) {
    const { prefix, after, pageSize, delimiter } = options;
    const base = this.requests.place.prefix;
    const query: Record<string, string> = {
      "list-type": "2",
      prefix: `${base}${prefix}`,
      "max-keys": String(Math.min(pageKeys, pageSize)),
      ...(delimiter !== undefined && { delimiter }),
    };
    if (after !== "") query["start-after"] = `${base}${after}`;
    for (;;) {
      const { bytes } = await this.requests.send({ method: "GET", key: "", query, expected: [200] });
      const page = rootOf(bytes, "ListBucketResult");
      yield page;
      const next = textOf(page, "NextContinuationToken");
      if (textOf(page, "IsTruncated") !== "true" || next === "") return;
      query["continuation-token"] = next;
      query["max-keys"] = String(pageKeys);
      delete query["start-after"];
    }
  }

  /** Begins a multipart upload and resolves with its ID. */
  async createMultipart(key: string): Promise<string> {
    const { bytes } = await this.requests.send({
      method: "POST",
      key,
      query: { uploads: "" },
      headers: this.requests.place.objectHeaders,
      expected: [200],
    });
    const id = textOf(rootOf(bytes, "InitiateMultipartUploadResult"), "UploadId");
    if (id === "") throw new S3Failure("the store began a multipart upload without an ID", { mayPass: true });
    return id;
  }

  async putPart(key: string, upload: string, number: number, body: Uint8Array): Promise<Part> {
    const response = await this.requests.send({
      method: "PUT",
      key,
      query: { partNumber: String(number), uploadId: upload },
      headers: checksumOf(body),
      body,
      expected: [200],
    });
    return { number, etag: response.headers.etag ?? "" };
  }

  /**
   * Completes a multipart upload, and resolves with the object's ETag. If the upload is gone, another attempt or another node
   * may have completed it: then checks that the object has `size` bytes.
   */
  async completeMultipart(
    key: string,
    upload: string,
    parts: readonly Part[],
    size?: number,
  ): Promise<string> {
    const result = "CompleteMultipartUploadResult";
    const list = parts.map(
      ({ number, etag }) => `<Part><ETag>${escaped(etag)}</ETag><PartNumber>${number}</PartNumber></Part>`,
    );
    const { bytes, status } = await this.requests.send({
      method: "POST",
      key,
      query: { uploadId: upload },
      body: Buffer.from(
        `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`,
      ),
      expected: [200, 404],
      moreSeconds: completionSeconds,
      check: (answer) => refuseError(answer, "completing a multipart upload", result),
    });
    if (status === 200) return textOf(rootOf(bytes, result), "ETag");
    const found = await this.head(key);
    if (found === undefined || (size !== undefined && found.size !== size))
      throw new S3Failure("the multipart upload is gone", { status: 404, code: noSuchUpload });
    return found.etag;
  }

  /** Aborts a multipart upload. A missing one is no error. */
  async abortMultipart(key: string, upload: string): Promise<void> {
    const query = { uploadId: upload };
    await this.requests.send({ method: "DELETE", key, query, expected: [200, 204, 404] });
  }

  /** Yields the open multipart uploads of keys that begin with `prefix`. */
  async *openMultiparts(prefix: string): AsyncGenerator<OpenMultipart> {
    const query: Record<string, string> = { uploads: "", prefix: `${this.requests.place.prefix}${prefix}` };
    for (;;) {
      const { bytes } = await this.requests.send({ method: "GET", key: "", query, expected: [200] });
      const page = rootOf(bytes, "ListMultipartUploadsResult");
      for (const entry of elementsOf(page, "Upload"))
        yield {
          key: this.#withoutPrefix(textOf(entry, "Key")),
          id: textOf(entry, "UploadId"),
          beganAt: Date.parse(textOf(entry, "Initiated")),
        };
      if (textOf(page, "IsTruncated") !== "true") return;
      query["key-marker"] = textOf(page, "NextKeyMarker");
      query["upload-id-marker"] = textOf(page, "NextUploadIdMarker");
    }
  }

  /** Resolves with a URL from which anyone can GET the object for some time. */
  presigned(key: string, secondsMax: number): Promise<string> {
    return this.requests.presigned(key, secondsMax);
  }

  #withoutPrefix(key: string): string {
    return key.slice(this.requests.place.prefix.length);
  }

  close(): Promise<void> {
    return this.requests.close();
  }
}

/** Four gigabytes a second, where SHA-256 makes one. */
function checksumOf(body: Uint8Array): Record<string, string> {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return { "x-amz-checksum-crc32": checksum.toString("base64") };
}

function stampOf(headers: S3Response["headers"]): Stamp {
  const answeredAt = Date.parse(headers.date ?? "");
  const modifiedAt = Date.parse(headers["last-modified"] ?? headers.date ?? "");
  return { etag: headers.etag ?? "", modifiedAt, answeredAt };
}

/** Makes each write of a compared object a different one: an ETag is a hash of the content. */
export function nonce(): string {
  return randomBytes(9).toString("base64url");
}
