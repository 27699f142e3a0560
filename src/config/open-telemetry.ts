/**
 * Maps OpenTelemetry's standard variables to keys of `tracing`. OpenTelemetry's packages read its other variables
 * (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`) themselves.
 */
import type { SettingsTree } from "./tree.js";

/** A later variable overrides an earlier one for the same key. */
const keys = [
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "protocol"],
  ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "protocol"],
  ["OTEL_TRACES_SAMPLER", "sampler"],
  ["OTEL_TRACES_SAMPLER_ARG", "samplerratio"],
] as const;

/**
 * Applies the variables to the tree. They override the file, and Gantry's own variables override them. Without an exporter
 * most of them are meant for other programs, so their values are not checked.
 */
export function applyOpenTelemetry(settings: SettingsTree, variables: NodeJS.ProcessEnv): void {
  const apply = (variable: string, name: string, value: string | undefined) => {
    const path = ["tracing", name];
    const origin = settings.originOf(path);
    const isOurs = origin.from === "variable" && origin.variable.startsWith("REGISTRY_");
    // OpenTelemetry's specification treats an empty variable as unset.
    if (value === undefined || value === "" || (isOurs && settings.get(path) !== undefined)) return;
    settings.set(path, value, { from: "variable", variable });
  };
  apply("OTEL_TRACES_EXPORTER", "exporter", variables.OTEL_TRACES_EXPORTER);
  if (variables.OTEL_SDK_DISABLED === "true") apply("OTEL_SDK_DISABLED", "exporter", "none");
  if (settings.get(["tracing", "exporter"]) !== "otlp") return;
  for (const [variable, name] of keys) apply(variable, name, variables[variable]);
}
