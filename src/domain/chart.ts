/** The metadata of a Helm chart: the config of its manifest is Chart.yaml as JSON. Lenient and bounded. */
import { type NamedText, type Some, TextRoom } from "./bounded.js";
import { isObject } from "./descriptor.js";
import { parseBounded } from "./manifest-details.js";

export interface ChartMaintainer {
  readonly name: string;
  readonly email: string | undefined;
  readonly url: string | undefined;
}

export interface ChartDependency {
  readonly name: string;
  readonly version: string | undefined;
  readonly repository: string | undefined;
  readonly condition: string | undefined;
}

export interface ChartFacts {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly appVersion: string | undefined;
  readonly description: string | undefined;
  /** `application` or `library`. */
  readonly type: string | undefined;
  readonly kubeVersion: string | undefined;
  readonly home: string | undefined;
  readonly isDeprecated: boolean;
  readonly sources: Some<string>;
  readonly keywords: Some<string>;
  readonly maintainers: Some<ChartMaintainer>;
  readonly dependencies: Some<ChartDependency>;
  readonly annotations: Some<NamedText>;
}

/** The files of a chart's archive that people read. */
export interface ChartFiles {
  /** The README as HTML without scripts, styles, images and links that are not of the web, in parts. */
  readonly readme: readonly string[];
  /** The beginning of values.yaml. */
  readonly values: { readonly text: string; readonly isTruncated: boolean } | undefined;
}

const charactersMax = 128 * 1024;
const textMax = 2 * 1024;
const depthMax = 64;
const jsonEntriesMax = 100_000;

/** Returns `undefined` for bytes that are no metadata of a chart. */
export function readChart(bytes: Uint8Array): ChartFacts | undefined {
  const json = parseBounded(bytes, depthMax, jsonEntriesMax);
  if (!isObject(json)) return undefined;
  const room = new TextRoom(charactersMax, textMax);
  return {
    name: room.text(json.name),
    version: room.text(json.version),
    appVersion: room.text(json.appVersion),
    description: room.text(json.description),
    type: room.text(json.type),
    kubeVersion: room.text(json.kubeVersion),
    home: room.text(json.home),
    isDeprecated: json.deprecated === true,
    sources: room.texts(json.sources),
    keywords: room.texts(json.keywords),
    maintainers: room.objects(json.maintainers, ({ name, email, url }) => ({
      name: room.text(name) ?? "",
      email: room.text(email),
      url: room.text(url),
    })),
    dependencies: room.objects(json.dependencies, ({ name, version, repository, condition }) => ({
      name: room.text(name) ?? "",
      version: room.text(version),
      repository: room.text(repository),
      condition: room.text(condition),
    })),
    annotations: room.namedTexts(json.annotations),
  };
}
