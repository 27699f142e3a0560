/**
 * A registry to be cached by the contenders: it serves images from memory through a line of a given rate, and counts the
 * requests. It runs in the bench's process, so its CPU is the driver's.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { megabyte } from "../units.js";
import type { Image } from "./image.js";
import type { Payload } from "./payload.js";
import { blobPath, manifestMediaType, manifestPath } from "./registry.js";

/** Of all responses together. */
const bytesPerSecond = 100 * megabyte;

/** The pieces in which the line passes bytes on. */
const pieceBytes = 128 * 1024;

interface Served {
  readonly length: number;
  readonly headers: Readonly<Record<string, string>>;
  bytes(): Iterable<Buffer>;
}

export class Upstream {
  readonly #served = new Map<string, Served>();
  /** GET requests by path. */
  readonly #gets = new Map<string, number>();
  /** When the first byte of a body at the path was sent, by `performance.now()`. */
  readonly #firstByteAt = new Map<string, number>();
  /** When the line is free, by `performance.now()`. */
  #free = 0;
  /** Requests that are answered before the upstream answers 429. */
  requestsLeft = Number.POSITIVE_INFINITY;
  url = "";

  /** The same for all contenders; ends with the process. */
  static shared(): Promise<Upstream> {
    shared ??= Upstream.#start();
    return shared;
  }

  static async #start(): Promise<Upstream> {
    const upstream = new Upstream();
    const server = createServer((request, response) => {
      upstream.#answer(request.method ?? "", request.url ?? "", response).catch(() => response.destroy());
    }).unref();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return upstream;
  }

  /** Serves an image until `remove`. */
  add({ repository, tag, blobs, manifest }: Image): void {
    for (const blob of blobs) this.#served.set(blobPath(repository, blob.digest), blobOf(blob));
    const served: Served = {
      length: manifest.bytes.length,
      headers: { "Content-Type": manifestMediaType, "Docker-Content-Digest": manifest.digest },
      bytes: () => [manifest.bytes],
    };
    for (const reference of [tag, manifest.digest])
      this.#served.set(manifestPath(repository, reference), served);
  }

  remove({ repository, tag, blobs, manifest }: Image): void {
    for (const { digest } of blobs) this.#served.delete(blobPath(repository, digest));
    for (const reference of [tag, manifest.digest]) this.#served.delete(manifestPath(repository, reference));
    this.#gets.clear();
    this.#firstByteAt.clear();
  }

  /** The largest number of GETs for one manifest (by tag and by digest together) or blob of the image. */
  getsOf({ repository, tag, blobs, manifest }: Image): number {
    const of = (path: string) => this.#gets.get(path) ?? 0;
    const ofManifest = [tag, manifest.digest].reduce(
      (sum, one) => sum + of(manifestPath(repository, one)),
      0,
    );
    return Math.max(ofManifest, ...blobs.map(({ digest }) => of(blobPath(repository, digest))));
  }

  firstByteAt(path: string): number | undefined {
    return this.#firstByteAt.get(path);
  }

  async #answer(method: string, path: string, response: ServerResponse): Promise<void> {
    if (method === "GET") this.#gets.set(path, (this.#gets.get(path) ?? 0) + 1);
    if (this.requestsLeft-- <= 0) return void response.writeHead(429).end();
    const found = this.#served.get(path);
    if (found === undefined) return void response.writeHead(path === "/v2/" ? 200 : 404).end();
    response.writeHead(200, { ...found.headers, "Content-Length": found.length });
    if (method === "HEAD") return void response.end();
    for (const bytes of found.bytes()) await this.#send(path, bytes, response);
    response.end();
  }

  async #send(path: string, bytes: Buffer, response: ServerResponse): Promise<void> {
    for (let at = 0; at < bytes.length && !response.destroyed; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      const now = performance.now();
      this.#free = Math.max(this.#free, now) + (piece.length / bytesPerSecond) * 1000;
      if (this.#free - now > 1) await pause(this.#free - now);
      if (!this.#firstByteAt.has(path)) this.#firstByteAt.set(path, performance.now());
      if (!response.write(piece)) await writable(response);
    }
  }
}

let shared: Promise<Upstream> | undefined;

/** Resolves when the response has drained, or its client has gone. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      response.off("drain", end).off("close", end);
      resolve();
    };
    response.once("drain", end).once("close", end);
  });
}

function blobOf(blob: Payload): Served {
  return { length: blob.length, headers: {}, bytes: () => blob.bytes() };
}
