/**
 * Traces for OpenTelemetry: a span for each request, with a child span for each stage. Child spans are created when the
 * request has ended, from recorded times. Loaded only if traces are enabled. Spans contain no query, body or credential.
 */
import {
  type Attributes,
  type Context,
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace as spans,
  type Tracer,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { BeginTrace } from "../http/app.js";
import type { Exchange } from "../http/exchange.js";
import type { Trace } from "../http/trace.js";
import { byClock, now } from "../lib/clock.js";
import { noSpans } from "../lib/spans.js";
import { methods } from "./methods.js";
import { type RecordedSpan, SpanTree } from "./span-tree.js";

const traceContext = new W3CTraceContextPropagator();
const headers = {
  get: (carrier: Readonly<Record<string, string>>, name: string) => carrier[name],
  keys: (carrier: Readonly<Record<string, string>>) => Object.keys(carrier),
};

/** Longer texts are cut. */
const textCharactersMax = 256;

/** Creates a tracing function, which skips health checks and streams of events. */
export function tracing(tracer: Tracer): BeginTrace {
  return (exchange) => {
    const { incoming, startedAt } = exchange;
    if (incoming.route?.action === "public" || incoming.route?.stream === true) return undefined;
    const parent = traceContext.extract(ROOT_CONTEXT, incoming.headers, headers);
    const method = methods.has(incoming.method) ? incoming.method : "HTTP";
    const span = tracer.startSpan(
      incoming.route === undefined ? method : `${method} ${incoming.route.path}`,
      { kind: SpanKind.SERVER, startTime: timeOf(byClock(startedAt)) },
      parent,
    );
    const id = span.spanContext().traceId;
    if (span.isRecording()) return new RequestTrace(id, exchange, tracer, span);
    // The client began this trace and knows its ID, although it is not sampled here.
    return parent === ROOT_CONTEXT ? undefined : { id, spans: noSpans, end: () => {} };
  };
}

class RequestTrace implements Trace {
  readonly spans = new SpanTree();

  constructor(
    readonly id: string,
    readonly exchange: Exchange,
    readonly tracer: Tracer,
    readonly span: Span,
  ) {}

  end(): void {
    const endedAt = now();
    const { exchange, span } = this;
    span.setAttributes(attributesOf(exchange));
    if (exchange.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    const below = spans.setSpan(ROOT_CONTEXT, span);
    for (const child of waits(exchange, endedAt)) this.#tell(child, below);
    for (const child of this.spans.spans) this.#tell(child, below);
    span.end(timeOf(endedAt));
  }

  #tell({ name, startedAt, endedAt, facts = {}, within = [] }: RecordedSpan, parent: Context): void {
    const attributes = Object.fromEntries(
      Object.entries(facts).map(([fact, value]) => [`gantry.${fact}`, value]),
    );
    const span = this.tracer.startSpan(name, { startTime: timeOf(startedAt), attributes }, parent);
    const below = spans.setSpan(parent, span);
    for (const child of within) this.#tell(child, below);
    span.end(timeOf(endedAt));
  }
}

/** Returns attributes by the semantic conventions for HTTP servers, and Gantry's own. */
function attributesOf({ incoming, id, name, status, aborted, body, sent }: Exchange): Attributes {
  const { method, route, path, peer, host, agent } = incoming;
  const isKnown = methods.has(method);
  return {
    "http.request.method": isKnown ? method : "_OTHER",
    ...(!isKnown && { "http.request.method_original": cut(method) }),
    ...(route !== undefined && { "http.route": route.path }),
    "url.path": cut(path),
    "url.scheme": peer.secure ? "https" : "http",
    "server.address": cut(host.replace(/:\d+$/, "")),
    "client.address": peer.address,
    "user_agent.original": cut(agent),
    ...(status !== 0 && { "http.response.status_code": status }),
    ...(status >= 500 && { "error.type": String(status) }),
    ...(body !== undefined && { "http.request.body.size": body.received }),
    "http.response.body.size": sent,
    "gantry.request.id": id,
    ...(name !== undefined && { "gantry.repository": name }),
    ...(aborted && { "gantry.aborted": true }),
  };
}

/** Returns the spans that the exchange itself records: authentication, receiving the body, and sending in pieces. */
function waits({ startedAt, admittedAt, answeredAt, body }: Exchange, endedAt: number): RecordedSpan[] {
  const admitted = admittedAt || startedAt;
  const spans: RecordedSpan[] = [];
  const add = (name: string, from: number, to: number) =>
    spans.push({ name, startedAt: byClock(from), endedAt: byClock(to) });
  if (admittedAt !== 0) add("login", startedAt, admittedAt);
  if (body !== undefined && body.endedAt > admitted) add("receive", admitted, body.endedAt);
  if (answeredAt !== 0) spans.push({ name: "send", startedAt: byClock(answeredAt), endedAt });
  return spans;
}

function cut(text: string): string {
  return text.slice(0, textCharactersMax);
}

/** Converts to seconds and nanoseconds: a span would take a plain number for another clock's time. */
function timeOf(milliseconds: number): HrTime {
  const seconds = Math.trunc(milliseconds / 1000);
  return [seconds, Math.trunc((milliseconds - seconds * 1000) * 1_000_000)];
}
