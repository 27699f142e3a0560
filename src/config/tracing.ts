/** `tracing`: which requests are traced, and the collector that receives the traces. */
import { section } from "./section.js";
import { choice, ratio, url } from "./values.js";

/** As OpenTelemetry names them (`OTEL_TRACES_SAMPLER`). */
const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

export const tracing = section({
  exporter: choice(["otlp", "none"])
    .prefault("none")
    .describe("`otlp` sends traces to an OpenTelemetry collector. Also set by `OTEL_TRACES_EXPORTER`."),
  endpoint: url.optional().meta({
    description: "URL of the collector, including the path.",
    defaultNote:
      "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `OTEL_EXPORTER_OTLP_ENDPOINT` and `/v1/traces`, or `http://localhost:4318/v1/traces`",
  }),
  protocol: choice(["http/protobuf", "http/json"])
    .prefault("http/protobuf")
    .describe("Protocol of the collector. Also set by `OTEL_EXPORTER_OTLP_PROTOCOL`."),
  sampler: choice(samplers)
    .prefault("parentbased_traceidratio")
    .describe(
      "Which requests are traced. `parentbased_…` follows the client's decision (`traceparent`), and applies the rest of its name to requests without one. Also set by `OTEL_TRACES_SAMPLER`.",
    ),
  samplerratio: ratio
    .prefault("1")
    .describe(
      "Share of requests that `…traceidratio` traces, from 0 to 1. Also set by `OTEL_TRACES_SAMPLER_ARG`.",
    ),
}).describe("Which requests are traced, and the collector that receives the traces.");
