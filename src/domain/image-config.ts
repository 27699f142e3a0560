/** The config of an image (image-spec, config.md; Docker's, from which it comes), as people want to see it. Lenient and bounded. */
import { type NamedText, type Some, TextRoom } from "./bounded.js";
import { isObject } from "./descriptor.js";
import { type PlatformDetails, parseBounded } from "./manifest-details.js";

export interface HistoryStep {
  readonly created: string | undefined;
  readonly createdBy: string | undefined;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  /** Whether the step made no layer. */
  readonly isEmpty: boolean;
}

export interface ImageConfig {
  readonly platform: PlatformDetails;
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly user: string | undefined;
  readonly workingDir: string | undefined;
  readonly entrypoint: Some<string>;
  readonly cmd: Some<string>;
  readonly shell: Some<string>;
  /** Such as `PATH=/bin`. */
  readonly env: Some<string>;
  readonly labels: Some<NamedText>;
  readonly ports: Some<string>;
  readonly volumes: Some<string>;
  readonly stopSignal: string | undefined;
  readonly healthcheck: Some<string>;
  readonly onBuild: Some<string>;
  readonly history: Some<HistoryStep>;
  /** Steps of the whole history that made a layer. */
  readonly layerSteps: number;
}

const stepsMax = 2_000;
const charactersMax = 384 * 1024;
const textMax = 4 * 1024;
const depthMax = 64;
const jsonEntriesMax = 500_000;

/** Returns `undefined` for bytes that are no config of an image. */
export function readImageConfig(bytes: Uint8Array): ImageConfig | undefined {
  const json = parseBounded(bytes, depthMax, jsonEntriesMax);
  if (!isObject(json)) return undefined;
  const config = isObject(json.config) ? json.config : {};
  const room = new TextRoom(charactersMax, textMax);
  const history: unknown[] = Array.isArray(json.history) ? json.history : [];
  return {
    platform: {
      os: room.text(json.os) ?? "unknown",
      architecture: room.text(json.architecture) ?? "unknown",
      variant: room.text(json.variant),
      osVersion: room.text(json["os.version"]),
    },
    created: room.text(json.created),
    author: room.text(json.author),
    user: room.text(config.User),
    workingDir: room.text(config.WorkingDir),
    entrypoint: command(config.Entrypoint, room),
    cmd: command(config.Cmd, room),
    shell: room.texts(config.Shell),
    stopSignal: room.text(config.StopSignal),
    healthcheck: isObject(config.Healthcheck) ? room.texts(config.Healthcheck.Test) : room.texts(undefined),
    ports: room.names(config.ExposedPorts),
    volumes: room.names(config.Volumes),
    onBuild: room.texts(config.OnBuild),
    history: room.some(history, (step) => historyStep(step, room), stepsMax),
    layerSteps: history.filter((step) => isObject(step) && step.empty_layer !== true).length,
    env: room.texts(config.Env),
    labels: room.namedTexts(config.Labels),
  };
}

/** Docker's own builder once wrote a single string. */
function command(value: unknown, room: TextRoom): Some<string> {
  return room.texts(typeof value === "string" ? [value] : value);
}

function historyStep(value: unknown, room: TextRoom): HistoryStep | undefined {
  if (!isObject(value)) return undefined;
  return {
    created: room.text(value.created),
    createdBy: room.text(value.created_by),
    author: room.text(value.author),
    comment: room.text(value.comment),
    isEmpty: value.empty_layer === true,
  };
}
