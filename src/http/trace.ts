/** What is noted of one request on its way, for whoever collects traces. */
import type { Spans } from "../lib/spans.js";

export interface Trace {
  /** By which it is found again, there and in logs: the client's, where it has begun one. */
  readonly id: string;
  readonly spans: Spans;
  /** To be called once, when the answer is done or the client gone. */
  end(): void;
}

/** By which a client tells of the trace that its request is part of (W3C Trace Context). */
export const traceHeaders = ["traceparent", "tracestate"] as const;
