/** The layers of an image, from the oldest on, with the steps of its history. */
import type { Digest } from "../../domain/digest.js";
import type { ImageStep, ImageSteps } from "../../domain/image-steps.js";
import type { DescriptorDetails } from "../../domain/manifest-details.js";
import { isNonDistributable } from "../../domain/media-type.js";
import { fitItems, fitLine, htmlBytes } from "./fit.js";
import { Time } from "./image-parts.js";
import { RowPages } from "./paging.js";
import { Bytes, ShortDigest } from "./show.js";
import { TableHead } from "./table-head.js";

interface LayersProps {
  readonly steps: ImageSteps;
  /** Layers of the image. */
  readonly total: number;
  /** The first row that is shown. */
  readonly from: number;
  readonly absent: ReadonlySet<Digest>;
}

const bytesMax = 9_000;
/** Markup of a row, with digest, size and time. */
const rowBytes = 420;
const stepBytesMax = 500;

export function ImageLayers({ steps: { steps, fits }, total, from, absent }: LayersProps) {
  const first = from < steps.length ? from : 0;
  const shown = fitItems(steps.slice(first), bytesMax, costOf);
  const end = first + shown.length;
  return (
    <>
      <h2>Layers</h2>
      {!fits && (
        <p class="note">
          The history of this image does not have one step for each layer, so it does not show which step made
          which layer. The layers come first, then the steps.
        </p>
      )}
      <table class="stack">
        <TableHead columns={["Step", "Created", "Layer", { number: "Size" }]} />
        <tbody>
          {shown.map((step) => (
            <Row step={step} absent={absent} />
          ))}
        </tbody>
      </table>
      <RowPages first={first} end={end} known={steps.length} what="rows" />
      {total > steps.length && <p class="note">and {total - steps.length} further layers</p>}
    </>
  );
}

function costOf({ step }: ImageStep): number {
  return rowBytes + Math.min(stepBytesMax, htmlBytes(step?.createdBy ?? step?.comment ?? ""));
}

function Row({
  step: { step, layer },
  absent,
}: {
  readonly step: ImageStep;
  readonly absent: ReadonlySet<Digest>;
}) {
  return (
    <tr>
      <td>
        {step === undefined ? (
          <span class="dim">no step</span>
        ) : (
          <code>{fitLine(tidy(step.createdBy ?? step.comment ?? ""), stepBytesMax)}</code>
        )}
      </td>
      <td data-label="Created">{step?.created !== undefined && <Time text={step.created} />}</td>
      <td data-label="Layer">{layer !== undefined && <Layer layer={layer} absent={absent} />}</td>
      <td data-label="Size" class="number">
        {layer !== undefined && <Bytes bytes={layer.size} />}
      </td>
    </tr>
  );
}

/** Drops what builders put around the instruction. */
function tidy(createdBy: string): string {
  return createdBy.replace(/^\/bin\/sh -c #\(nop\)\s+/, "").replace(/\s+# buildkit$/, "");
}

function Layer({
  layer,
  absent,
}: {
  readonly layer: DescriptorDetails;
  readonly absent: ReadonlySet<Digest>;
}) {
  return (
    <>
      <ShortDigest digest={layer.digest} /> <LayerMarks layer={layer} absent={absent} />
    </>
  );
}

/** Says what is special about the bytes of a layer or file. */
export function LayerMarks({
  layer,
  absent,
}: {
  readonly layer: DescriptorDetails;
  readonly absent: ReadonlySet<Digest>;
}) {
  const marks = marksOf(layer);
  return (
    <>
      {marks.map((mark) => (
        <span class="tag">{mark}</span>
      ))}
      {isNonDistributable(layer.mediaType) ? (
        <span class="tag">from elsewhere</span>
      ) : (
        absent.has(layer.digest) && <span class="tag">not stored here</span>
      )}
    </>
  );
}

function marksOf({ mediaType, annotations }: DescriptorDetails): string[] {
  const names = new Set(annotations.items.map(([name]) => name));
  return [
    ...(mediaType.includes("zstd") ? ["zstd"] : []),
    ...(names.has("containerd.io/snapshot/stargz/toc.digest") ? ["eStargz"] : []),
    ...(names.has("io.github.containers.zstd-chunked.manifest-position") ? ["zstd:chunked"] : []),
    ...(mediaType.includes("+encrypted") ? ["encrypted"] : []),
  ];
}
