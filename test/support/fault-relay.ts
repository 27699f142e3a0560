// An HTTP relay in front of an S3 server that causes faults: errors before and after the store has done the work, resets,
// half bodies, silence. Which requests fail follows from a seed, or a test names the next one.

import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { finished } from "node:stream";
import { Random } from "../torture/random.js";
import { reset } from "./reset.js";

/**
 * - `errorBefore`: an S3 error (500 or 503 SlowDown) instead of passing the request on.
 * - `errorAfter`: the same once the store has answered: it has done the work, and the client hears an error.
 * - `resetBefore`: a reset in the middle of the request's body, of which the store receives a part.
 * - `resetAfter`: a reset once the store has answered.
 * - `halfBody`: half of the response's body, then a reset.
 * - `hang`: no answer, and the store hears nothing.
 */
export const faults = ["errorBefore", "errorAfter", "resetBefore", "resetAfter", "halfBody", "hang"] as const;

/**
 * Faults that only some requests can have:
 *
 * - `insideBefore`: status 200 with an S3 error in the body, instead of passing on a completion or a copy.
 * - `insideAfter`: the same once the store has answered.
 * - `full`: status 507 instead of passing a write on.
 */
export type Fault = (typeof faults)[number] | "insideBefore" | "insideAfter" | "full";

export interface RelayedRequest {
  readonly method: string;
  /** With the query, as it was sent. */
  readonly path: string;
  readonly fault: Fault | undefined;
}

type Matches = (request: { readonly method: string; readonly path: string }) => boolean;

export interface FaultPlan {
  /** The same seed causes the same faults for the same sequence of requests. */
  readonly seed: string;
  /** The share of requests that each fault hits, from 0 to 1. */
  readonly rates: Readonly<Partial<Record<Fault, number>>>;
  /** Requests that may be hit: by default all. */
  readonly matches?: Matches;
}

export interface FaultRelay extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** What arrived since the start or the last `forget`, in order. */
  readonly requests: readonly RelayedRequest[];
  forget(): void;
  /** Causes faults by this plan from now on, or none. Requests that hang end with a reset. */
  inject(plan: FaultPlan | undefined): void;
  /** Causes this fault for the next request that matches, besides the plan. */
  failNext(fault: Fault, matches?: Matches): void;
  stop(): Promise<void>;
}

const requestsMax = 1_000_000;
const socketsMax = 512;

const errors = [
  { status: 503, code: "SlowDown", message: "Please reduce your request rate." },
  { status: 500, code: "InternalError", message: "We encountered an internal error. Please try again." },
] as const;

export async function startFaultRelay(target: number): Promise<FaultRelay> {
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax });
  const ordered: { readonly fault: Fault; readonly matches: Matches }[] = [];
  let requests: RelayedRequest[] = [];
  let plan: FaultPlan | undefined;
  let random = new Random("none");
  const silent = new Set<ServerResponse>();

  const faultOf: (request: { method: string; path: string }) => Fault | undefined = (request) => {
    const place = ordered.findIndex(({ matches }) => matches(request));
    const [named] = place === -1 ? [] : ordered.splice(place, 1);
    if (named !== undefined) return named.fault;
    if (plan === undefined || plan.matches?.(request) === false) return undefined;
    let rest = random.next();
    for (const fault of Object.keys(plan.rates) as Fault[]) {
      rest -= plan.rates[fault] ?? 0;
      if (rest < 0) return fault;
    }
    return undefined;
  };

  const server = createServer((incoming, response) => {
    const request = { method: incoming.method ?? "", path: incoming.url ?? "" };
    const fault = faultOf(request);
    if (requests.length < requestsMax) requests.push({ ...request, fault });
    const error = random.pick(errors);
    if (fault === "hang") {
      silent.add(response);
      response.once("close", () => silent.delete(response));
    }
    new Exchange(incoming, response, { target, agent, fault, error }).run();
  });
  server.maxConnections = socketsMax;
  // A client may take longer than Node's default to send a large part through a slow relay.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    agent.destroy();
    await closed;
  };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    forget() {
      requests = [];
    },
    inject(next) {
      plan = next;
      random = new Random(next?.seed ?? "none");
      for (const response of silent) response.destroy();
    },
    failNext(fault, matches = () => true) {
      ordered.push({ fault, matches });
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface ExchangeOptions {
  readonly target: number;
  readonly agent: Agent;
  readonly fault: Fault | undefined;
  readonly error: (typeof errors)[number];
}

class Exchange {
  constructor(
    readonly incoming: IncomingMessage,
    readonly response: ServerResponse,
    readonly options: ExchangeOptions,
  ) {}

  run(): void {
    const { fault } = this.options;
    this.incoming.on("error", () => {});
    this.response.on("error", () => {});
    if (fault === "hang") {
      this.incoming.resume();
    } else if (fault === "errorBefore" || fault === "insideBefore" || fault === "full") {
      this.incoming.resume();
      this.#answerError();
    } else {
      this.#passOn();
    }
  }

  #passOn(): void {
    const { target, agent, fault } = this.options;
    const { method, url, rawHeaders } = this.incoming;
    // The signature covers the Host header, so it passes unchanged.
    const outgoing = send({ host: "127.0.0.1", port: target, agent, method, path: url, headers: rawHeaders });
    outgoing.on("error", () => this.#reset());
    outgoing.on("response", (answer) => this.#onAnswer(answer));
    this.response.once("close", () => {
      if (!this.response.writableFinished) outgoing.destroy();
    });
    if (fault !== "resetBefore") {
      this.incoming.pipe(outgoing);
      return;
    }
    const half = Number(this.incoming.headers["content-length"] ?? 0) / 2;
    let passed = 0;
    const stop = (): void => {
      outgoing.destroy();
      this.#reset();
    };
    this.incoming.once("end", stop);
    this.incoming.on("data", (bytes: Buffer) => {
      passed += bytes.length;
      if (passed < half) outgoing.write(bytes);
      else outgoing.write(bytes.subarray(0, bytes.length / 2), stop);
    });
  }

  #onAnswer(answer: IncomingMessage): void {
    const { fault } = this.options;
    answer.on("error", () => this.#reset());
    if (fault === "errorAfter" || fault === "insideAfter" || fault === "resetAfter") {
      answer.resume();
      finished(answer, () => (fault === "resetAfter" ? this.#reset() : this.#answerError()));
      return;
    }
    this.response.sendDate = false;
    const length = Number(answer.headers["content-length"] ?? 0);
    const hasBody = length > 0 && this.incoming.method !== "HEAD";
    if (fault === "halfBody" && !hasBody) {
      this.#reset();
      return;
    }
    this.response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    if (fault === "halfBody") this.#sendHalf(answer, length);
    else answer.pipe(this.response);
  }

  #sendHalf(answer: IncomingMessage, length: number): void {
    let rest = Math.floor(length / 2);
    this.response.flushHeaders();
    answer.on("data", (bytes: Buffer) => {
      if (rest <= 0) return;
      const part = bytes.subarray(0, rest);
      rest -= part.length;
      this.response.write(part, () => {
        if (rest === 0) this.#reset();
      });
    });
  }

  #answerError(): void {
    const { code, message } = this.options.error;
    if (this.response.destroyed) return;
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    const headers = { "content-type": "application/xml", "content-length": Buffer.byteLength(body) };
    this.response
      .writeHead(this.#errorStatus(), headers)
      .end(this.incoming.method === "HEAD" ? undefined : body);
  }

  #errorStatus(): number {
    const { fault, error } = this.options;
    if (fault === "full") return 507;
    return fault === "insideBefore" || fault === "insideAfter" ? 200 : error.status;
  }

  #reset(): void {
    reset(this.incoming.socket);
  }
}
