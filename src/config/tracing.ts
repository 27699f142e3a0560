/** `tracing`: which requests a collector of traces is told of, and where it is. */
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
    .describe("`otlp`: traces are sent to an OpenTelemetry collector. Also by `OTEL_TRACES_EXPORTER`."),
  endpoint: url.optional().meta({
    description: "URL that they are sent to, with its path.",
    defaultNote:
      "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `OTEL_EXPORTER_OTLP_ENDPOINT` and `/v1/traces`, or `http://localhost:4318/v1/traces`",
  }),
  protocol: choice(["http/protobuf", "http/json"])
    .prefault("http/protobuf")
    .describe("How they are sent. Also by `OTEL_EXPORTER_OTLP_PROTOCOL`."),
  sampler: choice(samplers)
    .prefault("parentbased_traceidratio")
    .describe(
      "Which requests are traced. `parentbased_…`: those whose client says so (`traceparent`), and of those whose client says nothing, what is behind it. Also by `OTEL_TRACES_SAMPLER`.",
    ),
  samplerratio: ratio
    .prefault("1")
    .describe("Share of requests that `…traceidratio` traces. Also by `OTEL_TRACES_SAMPLER_ARG`."),
}).describe("Which requests a collector of traces is told of, and where it is.");
