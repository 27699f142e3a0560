/** The files of an artifact: its layers, by the names that their annotations give them. */

import { predicateTypeIn } from "../../domain/artifact-kind.js";
import type { Some } from "../../domain/bounded.js";
import type { Digest } from "../../domain/digest.js";
import { type DescriptorDetails, titleIn } from "../../domain/manifest-details.js";
import { isNonDistributable } from "../../domain/media-type.js";
import type { Statement } from "../../domain/statement.js";
import { visibleLine } from "../../lib/control-characters.js";
import { count } from "../../lib/format.js";
import { fitItems, fitLine, htmlBytes } from "./fit.js";
import { LayerMarks } from "./image-layers.js";
import { RowPages } from "./paging.js";
import { Bytes, ShortDigest } from "./show.js";
import { TableHead } from "./table-head.js";

const defaultBytesMax = 16_000;
/** Markup with two digests and the name for the download. */
const rowBytes = 850;
const nameBytesMax = 200;
const fileNameCharactersMax = 100;

export function Files({
  files: { items, total },
  statements = new Map(),
  from,
  absent,
  bytesMax = defaultBytesMax,
}: {
  readonly files: Some<DescriptorDetails>;
  /** What attestations state, for files without an annotation that names it. */
  readonly statements?: ReadonlyMap<Digest, Statement> | undefined;
  readonly from: number;
  readonly absent: ReadonlySet<Digest>;
  /** Bytes of the rows. */
  readonly bytesMax?: number;
}) {
  const first = from < items.length ? from : 0;
  const shown = fitItems(items.slice(first), bytesMax, costOf);
  if (total === 0) return null;
  return (
    <>
      <h2>Files</h2>
      <table class="stack">
        <TableHead columns={["Name", "Media type", "Digest", { number: "Size" }, { hidden: "Download" }]} />
        <tbody>
          {shown.map((file) => (
            <Row file={file} statement={statements.get(file.digest)} absent={absent} />
          ))}
        </tbody>
      </table>
      <RowPages first={first} end={first + shown.length} known={items.length} what="files" />
      {total > items.length && <p class="note">and {count(total - items.length, "further file")}</p>}
    </>
  );
}

function predicateOf({ annotations }: DescriptorDetails): string | undefined {
  return predicateTypeIn(new Map(annotations.items));
}

function costOf(file: DescriptorDetails): number {
  const texts = [titleIn(file.annotations), file.mediaType, predicateOf(file)];
  return texts.reduce((sum, text = "") => sum + Math.min(nameBytesMax, htmlBytes(text)), rowBytes);
}

function Row({
  file,
  statement,
  absent,
}: {
  readonly file: DescriptorDetails;
  readonly statement: Statement | undefined;
  readonly absent: ReadonlySet<Digest>;
}) {
  const title = titleIn(file.annotations);
  const predicate = predicateOf(file) ?? statement?.predicateType;
  const isHere = !absent.has(file.digest) && !isNonDistributable(file.mediaType);
  return (
    <tr>
      <td>
        {title === undefined ? <span class="dim">no name</span> : fitLine(title, nameBytesMax)}
        {predicate !== undefined && <div class="note">states {fitLine(predicate, nameBytesMax)}</div>}
      </td>
      <td data-label="Media type">{fitLine(file.mediaType, nameBytesMax)}</td>
      <td data-label="Digest">
        <ShortDigest digest={file.digest} /> <LayerMarks layer={file} absent={absent} />
      </td>
      <td data-label="Size" class="number">
        <Bytes bytes={file.size} />
      </td>
      <td>
        {isHere && (
          <a href={`../_file/${file.digest}`} download={fileNameOf(title)}>
            Download
          </a>
        )}
      </td>
    </tr>
  );
}

/** Returns the last part of a path, without characters that a file system or a reader could misunderstand. */
function fileNameOf(title: string | undefined): string {
  const last = title?.split(/[\\/]/).at(-1) ?? "";
  const name = visibleLine(last.slice(0, fileNameCharactersMax)).replace(/[^\p{L}\p{N} ._+@=-]/gu, "_");
  return /^[. ]*$/.test(name) ? "file" : name;
}
