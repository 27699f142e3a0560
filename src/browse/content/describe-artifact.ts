/** Describes what an artifact other than an image contains, as far as it is known by a deadline. */
import { type ArtifactKind, kindByType, predicateTypeIn } from "../../domain/artifact-kind.js";
import type { ChartFacts, ChartFiles } from "../../domain/chart.js";
import type { Digest } from "../../domain/digest.js";
import { type DescriptorDetails, type ManifestDetails, titleIn } from "../../domain/manifest-details.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SbomFacts } from "../../domain/sbom.js";
import type { Statement } from "../../domain/statement.js";
import type { Deadline } from "../../lib/deadline.js";
import type { Answer, Reading, Readings } from "./content-protocol.js";
import type { DescribeParts } from "./describe-parts.js";

/** Fields are undefined until they are known, and if such an artifact has none. */
export interface ArtifactContent {
  readonly chart: Answer<ChartFacts> | undefined;
  readonly chartArchive: Answer<ChartFiles> | undefined;
  readonly readme: Answer<readonly string[]> | undefined;
  readonly sbom: Answer<SbomFacts> | undefined;
  /** What attestations state, by the digest of their layer. */
  readonly statements: ReadonlyMap<Digest, Statement>;
  readonly complete: boolean;
}

/** Layers that are read for what they state: each costs a read. */
const statementsMax = 4;

export async function describeArtifact(
  { reader }: DescribeParts,
  name: RepositoryName,
  kind: ArtifactKind,
  details: ManifestDetails,
  deadline: Deadline,
): Promise<ArtifactContent> {
  let complete = true;
  const read = async <R extends Reading>(
    reading: R,
    content: DescriptorDetails | undefined,
  ): Promise<Answer<Readings[R]> | undefined> => {
    if (content === undefined) return undefined;
    const found = await reader.read(reading, { name, digest: content.digest, kind: "blob" }, deadline);
    if (found === undefined) complete = false;
    return found;
  };
  const layers = details.entries.items;
  const isChart = kind === "helm-chart";
  const [chart, chartArchive, readme, sbom, statements] = await Promise.all([
    read("chart", isChart ? details.config : undefined),
    read("chartArchive", isChart ? layers.find(isChartArchive) : undefined),
    read("readme", isChart ? undefined : layers.find(isReadme)),
    read("sbom", sbomLayerOf(kind, details)),
    Promise.all(
      unnamedStatements(kind, details).map(async (layer) => [layer, await read("statement", layer)] as const),
    ),
  ]);
  return {
    chart,
    chartArchive,
    readme,
    sbom,
    statements: new Map(
      statements.flatMap(([{ digest }, found]) => (found && "value" in found ? [[digest, found.value]] : [])),
    ),
    complete,
  };
}

function isChartArchive({ mediaType }: DescriptorDetails): boolean {
  return mediaType.startsWith("application/vnd.cncf.helm.chart.content.");
}

function isReadme({ annotations }: DescriptorDetails): boolean {
  const title = titleIn(annotations);
  return title !== undefined && /^(?:\.\/)?readme\.md$/i.test(title);
}

const sbomPredicate = /\b(?:spdx|cyclonedx)\b/i;

/** Returns the first layer with an SBOM, by itself or as a statement's predicate. */
function sbomLayerOf(kind: ArtifactKind, details: ManifestDetails): DescriptorDetails | undefined {
  if (kind !== "sbom" && kind !== "attestation") return undefined;
  const ofAll = predicateTypeIn(new Map(details.annotations.items));
  return details.entries.items.find(
    ({ mediaType, annotations }) =>
      kindByType(mediaType) === "sbom" ||
      sbomPredicate.test(predicateTypeIn(new Map(annotations.items)) ?? ofAll ?? ""),
  );
}

/** Returns the layers of an attestation whose predicate type no annotation names. */
function unnamedStatements(kind: ArtifactKind, details: ManifestDetails): readonly DescriptorDetails[] {
  if (kind !== "attestation" || predicateTypeIn(new Map(details.annotations.items)) !== undefined) return [];
  return details.entries.items
    .filter(({ annotations }) => predicateTypeIn(new Map(annotations.items)) === undefined)
    .slice(0, statementsMax);
}
