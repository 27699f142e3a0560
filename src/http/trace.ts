/** The trace of one request. */
import type { Spans } from "../lib/spans.js";

export interface Trace {
  /** The trace ID, also in logs: the client's, if it has begun a trace. */
  readonly id: string;
  readonly spans: Spans;
  /** Call it once, after the response or when the client has disconnected. */
  end(): void;
}

/** Headers with which a client passes on its trace (W3C Trace Context). */
export const traceHeaders = ["traceparent", "tracestate"] as const;
