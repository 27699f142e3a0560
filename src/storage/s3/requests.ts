/**
 * Sends signed requests to the store, each attempt within a bounded time. Failures that may pass (500, 503 SlowDown, also inside
 * a 200, resets, timeouts, an answer that is cut short) are tried again after growing pauses, until the request's time is over. Both times
 * grow with the bytes that are sent and received.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { Turns } from "../../lib/turns.js";
import { type AnswerHeaders, AnswerLate, exchange } from "./exchange.js";
import { isFull, noCredentials, passesLater, S3Failure, unanswered } from "./failure.js";
import { encodedPath, type Query, queryText, type S3Credentials, Signer } from "./signed-requests.js";
import { Silence } from "./silence.js";
import { parsed, textOf, type Xml } from "./xml.js";

export interface S3Place {
  /** Base URL of the store, without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Whether the bucket is part of the path instead of the host name. */
  readonly forcePathStyle: boolean;
  /** Whether the store's certificate is accepted unchecked. */
  readonly skipVerify: boolean;
  /** Prefix of all keys: empty, or ending in a slash. */
  readonly prefix: string;
  /** Headers of requests that create objects: encryption, storage class and ACL. */
  readonly objectHeaders: Readonly<Record<string, string>>;
  readonly userAgent?: string;
}

export interface S3Limits {
  /** Connections to the store. Further requests wait for one. */
  readonly connections: number;
  /** Maximum time of one attempt, besides that of its bytes. */
  readonly attemptSeconds: number;
  /** Maximum time of a request, besides that of its bytes: with its wait for a connection and all attempts. */
  readonly requestSeconds: number;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Without the prefix. Empty for requests about the bucket. */
  readonly key: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Statuses that are answers. All others are failures. */
  readonly expected: readonly number[];
  /** Receives the bytes of an answer with status 200 or 206, which may not have more. */
  readonly into?: Uint8Array;
  /** Time that one attempt may take beyond that of others, because the store has much to do. */
  readonly moreSeconds?: number;
  /**
   * Throws `S3Failure` if an answer with status 200 is a failure nevertheless: S3 may send that status before it knows whether it
   * can complete or copy an object.
   */
  readonly check?: (bytes: Buffer) => void;
  /** Maximum bytes of an answer. A larger one is a failure with the code `AnswerTooLarge`. */
  readonly bytesMax?: number;
}

/** Decides about each request that changes something. */
export interface ChangeGuard {
  /** Throws to prevent the request. */
  before?(request: S3Request): void;
  /** Called when the store is too full for the request. Resolves with whether to send it again. */
  makeRoom?(requests: S3Requests, request: S3Request): Promise<boolean>;
}

export interface S3Response {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly bytes: Buffer;
  /** Above 1 if the response to an earlier attempt may have been lost. */
  readonly attempts: number;
}

/** A part of 10 MiB takes ten seconds at 8 Mbit/s. */
const bytesPerSecondMin = 1024 * 1024;

/** An attempt that could take less is not made. */
const attemptMillisecondsMin = 1000;

/** Requests that wait for one connection. Further ones fail at once, so that a store that hangs fills no memory. */
const waitingPerConnection = 64;

/** The code of a failure: no connection to the store became free. */
const allBusy = "AllBusy";

const pauseMillisecondsFirst = 50;
const pauseMillisecondsMax = 2000;

/** A page of a listing has at most 1,000 keys of 1,024 bytes, escaped. */
const answerBytesMax = 16 * 1024 * 1024;

/** The text of a failure. */
const errorBytesMax = 64 * 1024;

export class S3Requests {
  readonly #pool: Pool;
  /** A request that waits for a connection must not count as one that the store does not answer. */
  readonly #turns: Turns;
  readonly #silence = new Silence();
  readonly #signer: Signer;
  readonly #base: string;
  readonly #origin: string;
  /** Not signed, because proxies change them. */
  readonly #ownHeaders: Readonly<Record<string, string>>;
  /** Requests sent, by method. */
  readonly sent: Record<string, number> = {};
  /** Why the last attempt that is made again has failed. */
  lastFailure: S3Failure | undefined;

  constructor(
    readonly place: S3Place,
    readonly limits: S3Limits,
    credentials: () => Promise<S3Credentials>,
    /** Called when the store says that the credentials have expired, before the request is sent again. */
    readonly onExpired: () => void = () => {},
    readonly guard: ChangeGuard = {},
  ) {
    const { endpoint, region, bucket, forcePathStyle, prefix, skipVerify } = place;
    const url = new URL(endpoint);
    if (!forcePathStyle) url.hostname = `${bucket}.${url.hostname}`;
    this.#ownHeaders = place.userAgent === undefined ? {} : { "user-agent": place.userAgent };
    this.#origin = url.origin;
    this.#base = `${url.pathname.replace(/\/$/, "")}${forcePathStyle ? `/${bucket}` : ""}/`;
    this.#keyPrefix = encodedPath(prefix);
    this.#signer = new Signer(url.host, region, credentials);
    this.#turns = new Turns(limits.connections, limits.connections * waitingPerConnection);
    this.#pool = new Pool(url.origin, {
      connections: limits.connections,
      pipelining: 1,
      // Each attempt has a timer of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: limits.attemptSeconds * 1000,
        ...(skipVerify && { rejectUnauthorized: false }),
      },
    });
  }

  readonly #keyPrefix: string;

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  /** Resolves with an answer. Rejects with `S3Failure`. */
  async send(request: S3Request): Promise<S3Response> {
    if (request.method !== "GET" && request.method !== "HEAD") this.guard.before?.(request);
    const begun = performance.now();
    const end = begun + this.#silence.enter(this.limits.requestSeconds * 1000) + timeOfWork(request);
    try {
      return await this.#sendUntil(request, end);
    } finally {
      this.#silence.leave(begun, end);
    }
  }

  async #sendUntil(request: S3Request, end: number): Promise<S3Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return { ...(await this.#tryInTurn(request, end)), attempts: attempt };
      } catch (error) {
        if (isFull(error) && (await this.guard.makeRoom?.(this, request)) === true) continue;
        const pause = Math.min(pauseMillisecondsMax, pauseMillisecondsFirst * 2 ** (attempt - 1));
        const isLate = performance.now() + pause + attemptMillisecondsMin > end;
        if (!(error instanceof S3Failure) || !error.mayPass || isLate || error.code === allBusy) throw error;
        this.lastFailure = error;
        if (error.code === "ExpiredToken") this.onExpired();
        await sleep(pause * (0.5 + Math.random() / 2));
      }
    }
  }

  /** Resolves with a URL from which anyone can GET the object for some time. */
  async presigned(key: string, secondsMax: number): Promise<string> {
    const path = this.#pathOf(key);
    return `${this.#origin}${path}?${await this.#signer.presign(path, secondsMax)}`;
  }

  #pathOf(key: string): string {
    return key === "" ? this.#base : `${this.#base}${this.#keyPrefix}${encodedPath(key)}`;
  }

  async #tryInTurn(request: S3Request, end: number): Promise<Omit<S3Response, "attempts">> {
    const wait = Math.max(0, end - performance.now() - attemptMillisecondsMin);
    if (!(await this.#turns.begin(wait)))
      throw new S3Failure("all connections to the store are busy", { code: allBusy, mayPass: true });
    try {
      const milliseconds = this.limits.attemptSeconds * 1000 + timeOfWork(request);
      return await this.#try(request, Math.min(milliseconds, end - performance.now()));
    } finally {
      this.#turns.end();
    }
  }

  async #try(request: S3Request, milliseconds: number): Promise<Omit<S3Response, "attempts">> {
    const { method, key, query = {}, headers = {}, body, expected, into, check } = request;
    const { bytesMax = answerBytesMax } = request;
    const path = this.#pathOf(key);
    const length = body === undefined ? undefined : { "content-length": String(body.length) };
    const signed = await this.#signer
      .sign({ method, path, query, headers: { ...headers, ...length } })
      .catch((cause: unknown) => {
        throw new S3Failure("no credentials for the store", { cause, code: noCredentials, mayPass: true });
      });
    this.sent[method] = (this.sent[method] ?? 0) + 1;
    const search = queryText(query);
    try {
      const answer = await exchange(
        this.#pool,
        {
          method,
          path: search === "" ? path : `${path}?${search}`,
          headers: { ...signed, ...this.#ownHeaders },
          body: body ?? null,
        },
        {
          milliseconds,
          millisecondsOf,
          onAnswer: () => this.#silence.answered(),
          into,
          bytesMax,
          errorBytesMax,
        },
      );
      const { status, bytes } = answer;
      // A missing bucket must not pass for one without objects.
      if (expected.includes(status) && !(status === 404 && isOfBucket(bytes))) {
        if (status === 200) check?.(bytes);
        return answer;
      }
      throw failureOf(method, status, bytes);
    } catch (cause) {
      if (cause instanceof S3Failure) throw cause;
      if (cause instanceof AnswerLate)
        throw new S3Failure(
          `the store did not answer within ${Math.round(milliseconds / 1000)} s (${method})`,
          {
            code: unanswered,
            mayPass: true,
          },
        );
      throw new S3Failure(`the connection to the store failed (${method})`, { cause, mayPass: true });
    }
  }
}

/** Returns the time of the bytes that are sent or asked for, and of what the store has to do. */
function timeOfWork({ body, into, moreSeconds = 0 }: S3Request): number {
  return millisecondsOf((body?.length ?? 0) + (into?.length ?? 0)) + moreSeconds * 1000;
}

function millisecondsOf(bytes: number): number {
  return (bytes / bytesPerSecondMin) * 1000;
}

/** Returns the maximum time of a request whose body has so many bytes. */
export function requestSecondsMax({ requestSeconds }: S3Limits, bytes: number): number {
  return requestSeconds + millisecondsOf(bytes) / 1000;
}

const missingBucket = "NoSuchBucket";

/** Parses only what may be one: most answers are about a missing object. */
function isOfBucket(bytes: Buffer): boolean {
  return bytes.includes(missingBucket) && textOf(errorOf(bytes), "Code") === missingBucket;
}

/** Statuses below 500 with which a store asks to try again. */
const passing = new Set([408, 409, 425, 429]);

function failureOf(method: string, status: number, bytes: Buffer): S3Failure {
  const error = errorOf(bytes);
  const code = textOf(error, "Code");
  const said = [code, textOf(error, "Message")].filter((text) => text !== "").join(": ");
  return new S3Failure(`the store answered ${method} with ${status}${said === "" ? "" : `: ${said}`}`, {
    status,
    code,
    mayPass: status >= 500 ? status !== 501 && status !== 507 : passing.has(status) || passesLater(code),
  });
}

/** A proxy in front of the store may answer with HTML. */
function errorOf(bytes: Buffer): Xml {
  try {
    const { Error: error } = parsed(bytes);
    return typeof error === "object" && error !== null ? (error as Xml) : {};
  } catch {
    return {};
  }
}
