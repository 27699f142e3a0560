/**
 * Sends traces to a collector if the settings enable it, and loads OpenTelemetry's packages only then. A failing or hanging
 * collector delays nothing. Part of the composition root.
 */
import { setTimeout } from "node:timers/promises";
import type { Config } from "../config/config.js";
import type { BeginTrace } from "../http/app.js";
import { describeError } from "../lib/describe-error.js";
import { packageVersion } from "../lib/package-version.js";
import type { Opening } from "./opening.js";

/** Maximum number of waiting spans, about 2 KB each; further spans are dropped. */
const waitingSpansMax = 2048;

const sendEveryMilliseconds = 1_000;

/** Spans per message: encoding a message delays requests, by about 0.5 ms. */
const spansAtOnceMax = 128;

const closeMillisecondsMax = 2_000;

/** Minimum time between repeated warnings of OpenTelemetry. */
const toldEveryMilliseconds = 60_000;

/** Returns undefined if traces are off. */
export async function openTraces({
  config: { tracing: config },
  log,
  closers,
}: Opening): Promise<BeginTrace | undefined> {
  if (config.exporter === "none") return undefined;
  const [{ diag, DiagLogLevel }, sdk, resources, { WatchedExporter }, { tracing }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/resources"),
    import("../observe/watched-exporter.js"),
    import("../observe/traces.js"),
  ]);
  const warn = seldom((message) => log.warn({ why: message }, "OpenTelemetry warns"));
  const logger = { error: () => {}, warn, info: () => {}, debug: () => {}, verbose: () => {} };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new WatchedExporter(await exporterOf(config), {
    onBroken: (error) =>
      log.warn({ why: describeError(error) }, "the trace collector cannot be reached: its traces are lost"),
    onMended: (lost) => log.info({ lost }, "the trace collector can be reached again"),
  });
  const own = { "service.name": "gantry", "service.version": packageVersion };
  const provider = new sdk.TracerProvider({
    // Attributes in the environment override these.
    resource: resources
      .resourceFromAttributes(own)
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    sampler: samplerOf(config, sdk),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter,
        maxQueueSize: waitingSpansMax,
        maxExportBatchSize: spansAtOnceMax,
        scheduledDelayMillis: sendEveryMilliseconds,
      }),
    ],
  });
  closers.add("traces", async () => {
    const sent = provider.shutdown().catch(() => {});
    await Promise.race([sent, setTimeout(closeMillisecondsMax, undefined, { ref: false })]);
  });
  return tracing(provider.getTracer("gantry", packageVersion));
}

/** The exporter reads other options from the environment by OpenTelemetry's rules: headers, certificates, timeouts. */
async function exporterOf({ protocol, endpoint }: Config["tracing"]) {
  const { OTLPTraceExporter } =
    protocol === "http/json"
      ? await import("@opentelemetry/exporter-trace-otlp-http")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter(endpoint === undefined ? {} : { url: endpoint });
}

function samplerOf(
  { sampler, samplerratio }: Config["tracing"],
  {
    AlwaysOffSampler,
    AlwaysOnSampler,
    ParentBasedSampler,
    TraceIdRatioBasedSampler,
  }: typeof import("@opentelemetry/sdk-trace"),
) {
  const root = sampler.endsWith("always_on")
    ? new AlwaysOnSampler()
    : sampler.endsWith("always_off")
      ? new AlwaysOffSampler()
      : new TraceIdRatioBasedSampler(samplerratio);
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

/** Wraps `tell` to suppress, for a while, messages that differ from an earlier one only in numbers. */
function seldom(tell: (message: string) => void): (message: string) => void {
  const toldAt = new Map<string, number>();
  return (message) => {
    const kind = message.replace(/\d+/g, "");
    const now = performance.now();
    if (now - (toldAt.get(kind) ?? Number.NEGATIVE_INFINITY) < toldEveryMilliseconds) return;
    toldAt.set(kind, now);
    tell(message);
  };
}
