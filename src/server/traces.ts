/**
 * Sends traces to a collector, where the settings want that: OpenTelemetry's packages are loaded then and not
 * before. A collector that fails or hangs keeps nobody waiting. Part of the composition root.
 */
import { setTimeout } from "node:timers/promises";
import type { Config } from "../config/config.js";
import type { BeginTrace } from "../http/app.js";
import { describeError } from "../lib/describe-error.js";
import { packageVersion } from "../lib/package-version.js";
import type { Opening } from "./opening.js";

/** Spans that wait for the collector, some 2 KB each; what comes then is dropped. */
const waitingSpansMax = 2048;

const sendEveryMilliseconds = 1_000;

/** Spans that are sent at a time: to put them into one message holds up requests, by some 0.5 ms. */
const spansAtOnceMax = 128;

const closeMillisecondsMax = 2_000;

/** What OpenTelemetry warns of again and again is told so often. */
const toldEveryMilliseconds = 60_000;

/** Returns undefined if no traces are wanted. */
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
    onBroken: (error) => log.warn({ why: describeError(error) }, "traces cannot be sent, and are lost"),
    onMended: (lost) => log.info({ lost }, "traces are sent again"),
  });
  const own = { "service.name": "gantry", "service.version": packageVersion };
  const provider = new sdk.TracerProvider({
    // What the environment says of the service is over what is said here.
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

/** What is not said here it reads from the environment by OpenTelemetry's rules: headers, certificates, time-outs. */
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

/** `tell`, but not again within a while of what differs from an earlier message in its numbers at most. */
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
