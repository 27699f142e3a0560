/**
 * Variables of OpenTelemetry's own that set keys of `tracing`, so that Gantry is told as all else that is traced.
 * Others of its variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`) its packages read themselves.
 */
import type { SettingsTree } from "./tree.js";

/** A later one is over an earlier one of the same key. */
const keys = [
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "protocol"],
  ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "protocol"],
  ["OTEL_TRACES_SAMPLER", "sampler"],
  ["OTEL_TRACES_SAMPLER_ARG", "samplerratio"],
] as const;

/**
 * Puts into the tree what they say, over the file and below Gantry's own variables. Where no traces are wanted
 * most of them are meant for other programs, and nobody minds what they say.
 */
export function applyOpenTelemetry(settings: SettingsTree, variables: NodeJS.ProcessEnv): void {
  const apply = (variable: string, name: string, value: string | undefined) => {
    const path = ["tracing", name];
    const origin = settings.originOf(path);
    const isOurs = origin.from === "variable" && origin.variable.startsWith("REGISTRY_");
    // An empty one is as none, by OpenTelemetry's rules.
    if (value === undefined || value === "" || (isOurs && settings.get(path) !== undefined)) return;
    settings.set(path, value, { from: "variable", variable });
  };
  apply("OTEL_TRACES_EXPORTER", "exporter", variables.OTEL_TRACES_EXPORTER);
  if (variables.OTEL_SDK_DISABLED === "true") apply("OTEL_SDK_DISABLED", "exporter", "none");
  if (settings.get(["tracing", "exporter"]) !== "otlp") return;
  for (const [variable, name] of keys) apply(variable, name, variables[variable]);
}
