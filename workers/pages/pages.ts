/** Reads content for the pages of the registry, at a lower priority than the threads for whose work clients wait. */
import {
  type Answer,
  type Readers,
  type Reading,
  type ReadTask,
  readChecked,
} from "../../src/browse/content/content-protocol.js";
import { readChart } from "../../src/domain/chart.js";
import { readImageConfig } from "../../src/domain/image-config.js";
import { readManifestDetails } from "../../src/domain/manifest-details.js";
import { readSbom } from "../../src/domain/sbom.js";
import { readStatement } from "../../src/domain/statement.js";
import { textHead } from "../../src/domain/text-head.js";
import { lowerPriority } from "../manifests/priority.js";
import { readChartArchive } from "./chart-archive.js";
import { renderReadme } from "./readme.js";

lowerPriority();

const readers: Readers<Reading> = {
  manifest: readManifestDetails,
  config: readImageConfig,
  text: textHead,
  chart: readChart,
  chartArchive: readChartArchive,
  readme: renderReadme,
  statement: readStatement,
  sbom: readSbom,
};

/** Resolves when the thread has loaded its modules. */
export function ready(): void {}

export function read({ reading, bytes, digest }: ReadTask): Promise<Answer<unknown>> {
  return readChecked<unknown>({ bytes, digest }, readers[reading]);
}
