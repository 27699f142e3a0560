/** What an image contains: the layers, each with the step that made it, and how it is run. */
import type { ImageDescription } from "../../browse/content/describe-image.js";
import type { Some } from "../../domain/bounded.js";
import type { ImageConfig } from "../../domain/image-config.js";
import { imageSteps } from "../../domain/image-steps.js";
import type { DescriptorDetails, ManifestDetails } from "../../domain/manifest-details.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import { Chart } from "./chart.js";
import { fitLine } from "./fit.js";
import { Files } from "./image-files.js";
import { ImageLayers } from "./image-layers.js";
import { Fact, Lines, NamedTexts, ProblemNote } from "./image-parts.js";
import { Packages } from "./packages.js";
import { Readme } from "./readme.js";
import { Pending } from "./show.js";

/** Which parts of long lists the visitor wants to see. */
export interface WantedParts {
  /** The first row of the layers, files or platforms, from 0 on. */
  readonly from: number;
  /** The first package. */
  readonly packages: number;
  /** From 1 on. */
  readonly readme: number;
}

/** Charts and SBOMs have one file or two, and much else to show. */
const fewFilesBytesMax = 4_000;

interface ContentProps {
  readonly found: ImageDescription;
  readonly details: ManifestDetails;
  readonly wanted: WantedParts;
}

export function ImageContent({ found, details, wanted }: ContentProps) {
  const { kind, config, artifact, absent } = found;
  const { from } = wanted;
  const hasPackages = kind === "sbom" || artifact?.sbom !== undefined;
  const hasMore = kind === "helm-chart" || hasPackages;
  if (kind !== "image")
    return (
      <>
        {kind === "helm-chart" && artifact !== undefined && (
          <Chart content={artifact} readmePart={wanted.readme} />
        )}
        <Files
          files={filesOf(details)}
          statements={artifact?.statements}
          from={from}
          absent={absent}
          {...(hasMore && { bytesMax: fewFilesBytesMax })}
        />
        {hasPackages && <Packages sbom={artifact?.sbom} from={wanted.packages} />}
        {artifact?.readme !== undefined && "value" in artifact.readme && (
          <Readme parts={artifact.readme.value} part={wanted.readme} />
        )}
      </>
    );
  const known = config && "value" in config ? config.value : undefined;
  return (
    <>
      <ImageLayers
        steps={imageSteps(details, known)}
        total={details.entries.total}
        from={from}
        absent={absent}
      />
      <h2>Configuration</h2>
      {config === undefined && details.config !== undefined && <Pending />}
      {config !== undefined && "problem" in config && (
        <ProblemNote what="The config" problem={config.problem} />
      )}
      {known !== undefined && <Configuration config={known} />}
    </>
  );
}

/** The entries that are no manifests: the layers, or the blobs of an index, as BuildKit's caches have them. */
function filesOf({ kind, entries }: ManifestDetails): Some<DescriptorDetails> {
  if (kind === "image") return entries;
  const items = entries.items.filter(({ mediaType }) => !isManifestMediaType(mediaType));
  return { items, total: items.length };
}

const commandBytesMax = 400;
const environmentBytesMax = 2_000;
const labelsBytesMax = 2_000;

function Configuration({ config }: { readonly config: ImageConfig }) {
  const { user, workingDir, stopSignal, env, labels } = config;
  return (
    <>
      <dl class="facts">
        <Command name="Entry point" words={config.entrypoint} />
        <Command name="Command" words={config.cmd} />
        {workingDir !== undefined && <Fact name="Working directory">{fitLine(workingDir, 300)}</Fact>}
        {user !== undefined && <Fact name="User">{fitLine(user, 200)}</Fact>}
        <Command name="Exposed ports" words={config.ports} />
        <Command name="Volumes" words={config.volumes} />
        {stopSignal !== undefined && <Fact name="Stop signal">{fitLine(stopSignal, 100)}</Fact>}
        <Command name="Health check" words={config.healthcheck} />
        <Command name="Shell" words={config.shell} />
        <Command name="On build" words={config.onBuild} />
      </dl>
      {env.total > 0 && (
        <>
          <h3>Environment</h3>
          <Lines texts={env} bytesMax={environmentBytesMax} />
        </>
      )}
      {labels.total > 0 && (
        <>
          <h3>Labels</h3>
          <NamedTexts texts={labels} bytesMax={labelsBytesMax} />
        </>
      )}
    </>
  );
}

/** Words of a command, or names, on one line. */
function Command({ name, words }: { readonly name: string; readonly words: Some<string> }) {
  if (words.total === 0) return null;
  const isWhole = words.total === words.items.length;
  return (
    <Fact name={name}>
      <code>{fitLine(words.items.map(quoted).join(" ") + (isWhole ? "" : " …"), commandBytesMax)}</code>
    </Fact>
  );
}

function quoted(word: string): string {
  return /^[^\s"'\\]+$/.test(word) ? word : JSON.stringify(word);
}
