/** Reads the files of a Helm chart that people want to see. */
import type { ChartFiles } from "../../src/domain/chart.js";
import { textHead } from "../../src/domain/text-head.js";
import { renderReadme } from "./readme.js";
import { tarFiles } from "./tar-files.js";

/** Charts are at most some MiB; expanding this much takes 100 ms. */
const bytesMax = 32 * 1024 * 1024;
const fileBytesMax = 256 * 1024;

/** Files in the folder of the chart, not in those of its dependencies. */
const wanted: Readonly<Record<string, RegExp>> = {
  readme: /^(?:\.\/)?[^/]+\/readme(?:\.md|\.txt)?$/i,
  values: /^(?:\.\/)?[^/]+\/values\.ya?ml$/,
};

function nameOf(path: string): string | undefined {
  return Object.entries(wanted).find(([, pattern]) => pattern.test(path))?.[0];
}

/** Resolves with `undefined` for bytes that are no archive of a chart. */
export async function readChartArchive(bytes: Uint8Array): Promise<ChartFiles | undefined> {
  const files = await tarFiles(bytes, nameOf, Object.keys(wanted).length, { bytesMax, fileBytesMax }).catch(
    () => undefined,
  );
  if (files === undefined) return undefined;
  const [readme, values] = [files.get("readme"), files.get("values")];
  return { readme: readme === undefined ? [] : renderReadme(readme), values: values && textHead(values) };
}
