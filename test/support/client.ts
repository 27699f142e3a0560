// An HTTP client for the API tests: plain requests with control over every byte of path and headers, the ways to push a
// blob, and checks of responses. Knows nothing of src/.

import assert from "node:assert/strict";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { SecureContextOptions } from "node:tls";
import type { Blob, Image } from "./content.js";
import { type Gantry, type GantrySettings, type RunningGantry, startGantry } from "./gantry.js";

/** A response takes milliseconds; after this time the server counts as hung. */
const answerMillisecondsMax = 20_000;

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Sends the body by `Transfer-Encoding: chunked`, in these pieces. */
  readonly pieces?: readonly Uint8Array[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Every value of a header, in order, with lists split. */
  list(name: string): string[];
  json(): unknown;
}

/** Lets a page wait longer for what it shows than for a person. */
const patience = { Prefer: "wait=1" };
/** A page of a busy server comes with gaps all the same. Its script asks again, and so does a client. */
const pageMillisecondsMax = 20_000;
const pageRepeatMilliseconds = 100;
/** A path of the web page. */
const isPage = /^\/($|\?|ui\/)/;
/** In a page with gaps. */
const pending = ' data-pending=""';

export class Client {
  readonly #agent: Agent;

  constructor(
    readonly url: string,
    connectionsMax: number = 64,
    /** For a URL of `https:`: the trusted CA, and the client certificate. */
    tls: SecureContextOptions = {},
    /** Headers of each request, such as `Authorization`. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    // The server closes a connection after 10 idle seconds; a request on one at that moment would fail.
    const options = { keepAlive: true, maxSockets: connectionsMax, timeout: 8_000 };
    this.#agent = url.startsWith("https:") ? new TlsAgent({ ...options, ...tls }) : new Agent(options);
  }

  /**
   * Sends `path` unchanged, including `..` and escapes. It may also be a `Location` with a host. A page is asked for until all its
   * parts are known, unless the request says with `Prefer` how long it may wait.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    if (method !== "GET" || !isPage.test(path) || options.headers?.Prefer !== undefined)
      return this.#send(method, path, options);
    const end = Date.now() + pageMillisecondsMax;
    for (;;) {
      const answer = await this.#send(method, path, {
        ...options,
        headers: { ...patience, ...options.headers },
      });
      if (!answer.body.includes(pending) || Date.now() > end) return answer;
      await pause(pageRepeatMilliseconds);
    }
  }

  #send(method: string, path: string, options: RequestOptions): Promise<Answer> {
    const { hostname, port } = new URL(this.url);
    const target = path.startsWith("http:") ? path.slice(new URL(path).origin.length) : path;
    const { headers = {}, body, pieces } = options;
    const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const outgoing = (this.#agent instanceof TlsAgent ? tlsRequest : request)(
        {
          hostname,
          port,
          method,
          path: target,
          agent: this.#agent,
          headers: { ...length, ...this.headers, ...headers },
          timeout: answerMillisecondsMax,
        },
        (incoming) => collect(incoming).then(resolve, reject),
      );
      outgoing.once("error", reject);
      outgoing.once("timeout", () => outgoing.destroy(new Error(`${method} ${path}: no response`)));
      for (const piece of pieces ?? []) outgoing.write(piece);
      outgoing.end(body);
    });
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request("GET", path, { headers });
  }

  head(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request("HEAD", path, { headers });
  }

  delete(path: string): Promise<Answer> {
    return this.request("DELETE", path);
  }

  /** Opens an upload session, and returns its location. */
  async openUpload(name: string, query = ""): Promise<string> {
    const answer = await this.request("POST", `/v2/${name}/blobs/uploads/${query}`, { body: "" });
    assert.equal(answer.status, 202, answer.body.toString());
    return locationOf(answer);
  }

  patch(
    location: string,
    bytes: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.request("PATCH", location, {
      body: bytes,
      headers: { "Content-Type": "application/octet-stream", ...headers },
    });
  }

  /** Closes an upload session, with the remaining bytes, if any. */
  close(
    location: string,
    digest: string,
    bytes: Uint8Array = new Uint8Array(),
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.request("PUT", withQuery(location, `digest=${digest}`), { body: bytes, headers });
  }

  /** Pushes each blob in one request. */
  async pushBlobs(name: string, ...blobs: readonly Blob[]): Promise<void> {
    for (const { bytes, digest } of blobs) {
      const answer = await this.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, {
        body: bytes,
      });
      assert.equal(answer.status, 201, answer.body.toString());
    }
  }

  putManifest(
    name: string,
    reference: string,
    bytes: string | Uint8Array,
    contentType: string | undefined,
  ): Promise<Answer> {
    return this.request("PUT", `/v2/${name}/manifests/${reference}`, {
      body: bytes,
      headers: contentType === undefined ? {} : { "Content-Type": contentType },
    });
  }

  /** Pushes an image with its blobs, by its digest or with a tag. */
  async pushImage(name: string, image: Image, reference: string = image.digest): Promise<Answer> {
    await this.pushBlobs(name, ...image.blobs);
    const answer = await this.putManifest(name, reference, image.bytes, image.mediaType);
    assert.equal(answer.status, 201, answer.body.toString());
    return answer;
  }
}

async function collect(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    body,
    list: (name) =>
      (incoming.headersDistinct[name.toLowerCase()] ?? []).flatMap((value) => value.split(/\s*,\s*/)),
    json: () => JSON.parse(body.toString()),
  };
}

/** A server for all tests of a file, ended after them, and a client of it. */
export interface Serving<Server extends RunningGantry = RunningGantry> {
  readonly gantry: Server;
  readonly client: Client;
}

/**
 * Starts a server within this process. To be called at the top of a test file; like all that a file awaits there, before
 * its first test, or the runner takes the file for finished.
 */
export async function serve(settings: GantrySettings = {}): Promise<Serving> {
  const { startInside } = await import("./inside.js");
  return serving(await startInside({ REGISTRY_UPLOADS_WORKERS: "2", ...settings }));
}

/** Like it, with a server in its own process. */
export async function serveProcess(settings: GantrySettings = {}): Promise<Serving<Gantry>> {
  return serving(await startGantry(settings));
}

function serving<Server extends RunningGantry>(gantry: Server): Serving<Server> {
  after(() => gantry.stop());
  return { gantry, client: new Client(gantry.url) };
}

export function locationOf(answer: Answer): string {
  const { location } = answer.headers;
  assert.ok(location !== undefined && location !== "", "the response has a Location");
  return location;
}

export function withQuery(location: string, query: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}${query}`;
}

/** The target of a `Link` with the relation type `next`, resolved against the server. */
export function nextOf(answer: Answer): string | undefined {
  const { link } = answer.headers;
  if (link === undefined) return undefined;
  const text = Array.isArray(link) ? link.join(", ") : link;
  const match = /^<([^>]+)>; ?rel="?next"?$/.exec(text);
  assert.ok(match?.[1] !== undefined, `"${text}" is a Link of RFC 5988`);
  const { pathname, search } = new URL(match[1], "http://registry.invalid");
  return pathname + search;
}

/** Checks the specification's error body: code and format ("Error Codes"). */
export function assertError(answer: Answer, status: number, code: string): void {
  const text = answer.body.toString();
  assert.equal(answer.status, status, text);
  assert.equal(answer.headers["content-type"], "application/json");
  const json = answer.json() as { errors: { code: string; message?: unknown }[] };
  assert.deepEqual(Object.keys(json), ["errors"], text);
  assert.ok(json.errors.length > 0, text);
  for (const error of json.errors) {
    assert.match(error.code, /^[A-Z_]+$/);
    assert.equal(typeof error.message, "string");
  }
  assert.equal(json.errors[0]?.code, code, text);
}
