/**
 * A registry for tests of the pull-through cache: it serves what the test has put there, counts the requests, and misbehaves as
 * the test demands. Knows nothing of src/.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { after } from "node:test";
import { type Blob, digestOf, type Image } from "./content.js";

export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** Answers a request itself and returns true, or returns false to let the registry answer. */
export type Misbehaviour = (request: UpstreamRequest, response: ServerResponse) => boolean | Promise<boolean>;

class Gate {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

interface Stored {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export class ScriptedUpstream {
  readonly requests: UpstreamRequest[] = [];
  misbehave: Misbehaviour = () => false;
  /** Bytes of each blob after which its body waits for `release`. */
  holdAfter = Number.POSITIVE_INFINITY;
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, Stored>();
  readonly #tags = new Map<string, string>();
  readonly #referrers = new Map<string, object[]>();
  readonly #sockets = new Set<Socket>();
  #released = new Gate();
  readonly #server = createServer((request, response) => {
    void this.#answer(request, response).catch(() => response.destroy());
  });

  constructor() {
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Starts one for all tests of a file. Call it before the file's first test. */
  static async start(): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream();
    await upstream.listen();
    after(() => upstream.stop());
    return upstream;
  }

  #port = 0;

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** Listens, again on the same port if it has been stopped. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections and listens no more. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets the bodies that wait go on, and later ones, too. */
  release(): void {
    this.holdAfter = Number.POSITIVE_INFINITY;
    this.#released.open();
    this.#released = new Gate();
  }

  /** Adds an image with its blobs, and points the tag to it. */
  add(name: string, image: Image, tag?: string): void {
    for (const blob of image.blobs) this.addBlob(name, blob);
    this.#manifests.set(`${name}@${image.digest}`, image);
    if (tag !== undefined) this.#tags.set(`${name}:${tag}`, image.digest);
    const { subject, artifactType, annotations } = JSON.parse(image.bytes.toString());
    if (subject === undefined) return;
    const key = `${name}@${subject.digest}`;
    const { digest, mediaType, bytes } = image;
    const entry = { mediaType, digest, size: bytes.length, artifactType, annotations };
    this.#referrers.set(key, [...(this.#referrers.get(key) ?? []), entry]);
  }

  addBlob(name: string, { digest, bytes }: Blob): void {
    this.#blobs.set(`${name}@${digest}`, bytes);
  }

  removeTag(name: string, tag: string): void {
    this.#tags.delete(`${name}:${tag}`);
  }

  /** Returns `METHOD path` of the requests whose path contains `part`, and forgets all. */
  take(part = ""): string[] {
    const taken = this.requests.filter(({ path }) => path.includes(part));
    this.requests.length = 0;
    return taken.map(({ method, path }) => `${method} ${path}`);
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const request = { method, path: url, headers };
    this.requests.push(request);
    if (await this.misbehave(request, response)) return;
    const [, name = "", kind, last = ""] =
      /^\/v2\/(.+)\/(blobs|manifests|tags|referrers)\/([^/?]+)/.exec(url) ?? [];
    if (kind === "blobs") return this.#sendBlob(request, response, this.#blobs.get(`${name}@${last}`));
    if (kind === "manifests") {
      const digest = this.#tags.get(`${name}:${last}`) ?? last;
      return this.#sendManifest(request, response, this.#manifests.get(`${name}@${digest}`));
    }
    if (kind === "tags") {
      const start = `${name}:`;
      const tags = [...this.#tags.keys()].filter((key) => key.startsWith(start));
      return sendJson(response, { name, tags: tags.map((key) => key.slice(start.length)) });
    }
    if (kind === "referrers") {
      const manifests = this.#referrers.get(`${name}@${last}`) ?? [];
      const mediaType = "application/vnd.oci.image.index.v1+json";
      return sendJson(response, { schemaVersion: 2, mediaType, manifests });
    }
    response.writeHead(url === "/v2/" ? 200 : 404).end();
  }

  #sendManifest({ method }: UpstreamRequest, response: ServerResponse, found: Stored | undefined): void {
    if (found === undefined) return void response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": found.mediaType,
      "Content-Length": found.bytes.length,
      "Docker-Content-Digest": digestOf(found.bytes),
    });
    response.end(method === "HEAD" ? undefined : found.bytes);
  }

  async #sendBlob(
    { method, headers }: UpstreamRequest,
    response: ServerResponse,
    found: Buffer | undefined,
  ): Promise<void> {
    if (found === undefined) return void response.writeHead(404).end();
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const bytes = found.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      "Content-Length": bytes.length,
      ...(start > 0 && { "Content-Range": `bytes ${start}-${found.length - 1}/${found.length}` }),
    });
    if (method === "HEAD") return void response.end();
    const free = Math.max(0, this.holdAfter - start);
    response.write(bytes.subarray(0, free));
    if (free < bytes.length) await this.#released.opened;
    response.end(bytes.subarray(free));
  }
}

function sendJson(response: ServerResponse, json: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(json));
}

/** The settings of a Gantry that caches one registry as `docker.io`, by default for all names outside of `team/`. */
export function cacheOf(
  upstream: Pick<ScriptedUpstream, "url">,
  settings: Readonly<Record<string, unknown>> = {},
): Record<string, string> {
  const { upstreams = [{ name: "docker.io", url: upstream.url }], ...others } = settings;
  const proxy = { upstreams, default: "docker.io", local: ["team/**"], ...others };
  return { REGISTRY_PROXY: JSON.stringify(proxy) };
}
