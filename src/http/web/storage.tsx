/** Space by repository, and what sharing saves: the figures of `gantry stats`. */
import type { Visible } from "../../auth/gate.js";
import type { ReportLook } from "../../browse/background-report.js";
import type { StorageFigures } from "../../browse/storage-figures.js";
import { count } from "../../lib/format.js";
import { NumberedPages } from "./paging.js";
import { Bytes, repositoryUrl, When } from "./show.js";
import { TableHead } from "./table-head.js";

/** With names of maximum length, a page stays below 50 KB. */
const pageRows = 30;

interface StorageProps {
  readonly look: ReportLook<StorageFigures>;
  /** Counted from 1. */
  readonly page: number;
  /** The repositories whose names the visitor may see. */
  readonly shown: Visible;
}

export function Storage({ look: { found, done, hasFailed }, page, shown }: StorageProps) {
  return (
    <>
      <h2>Storage</h2>
      {done !== undefined && (
        <p class="note" role="status">
          The figures are being computed: {count(done, "repository", "repositories")} so far.
        </p>
      )}
      {hasFailed && done === undefined && (
        <p class="bad">The figures could not be computed; the log says why. Try again in a minute.</p>
      )}
      {found !== undefined && (
        <>
          <Totals figures={found.value} />
          <Largest figures={found.value} page={page} shown={shown} />
          <p class="note">
            Computed <When at={found.computedAt} />. The same figures: <code>gantry stats</code>
          </p>
        </>
      )}
    </>
  );
}

function Totals({ figures }: { readonly figures: StorageFigures }) {
  const { storedBytes, logicalBytes, dedupeRatio, contents, openUploads, space } = figures;
  return (
    <dl class="facts">
      <dt>Stored</dt>
      <dd>
        <Bytes bytes={storedBytes} /> in {count(contents, "distinct content")}
      </dd>
      <dt>Without sharing</dt>
      <dd>
        <Bytes bytes={logicalBytes} />, {dedupeRatio.toFixed(2)} times as much
      </dd>
      <dt>Open uploads</dt>
      <dd>
        {openUploads.sessions} of <Bytes bytes={openUploads.bytes} />
      </dd>
      {space !== undefined && (
        <>
          <dt>Free</dt>
          <dd>
            <Bytes bytes={space.freeBytes} /> of <Bytes bytes={space.totalBytes} />
          </dd>
        </>
      )}
    </dl>
  );
}

function Largest({
  figures,
  page,
  shown,
}: Omit<StorageProps, "look"> & { readonly figures: StorageFigures }) {
  const { largest, unread } = figures;
  const pages = Math.max(1, Math.ceil(largest.length / pageRows));
  const rows = largest.slice((page - 1) * pageRows, page * pageRows);
  return (
    <>
      {unread.length > 0 && (
        <p class="bad">
          {count(unread.length, "repository", "repositories")} could not be read: see{" "}
          <code>gantry stats</code>
        </p>
      )}
      {rows.length > 0 && (
        <table class="stack">
          <TableHead
            columns={[
              "Repository",
              { number: "Size" },
              { number: "Shared" },
              { number: "Unique" },
              { number: "Tags" },
              { number: "Blobs" },
            ]}
          />
          <tbody>
            {rows.map(({ name, bytes, sharedBytes, uniqueBytes, tags, blobs }) => (
              <tr>
                <td>
                  {shown.has(name) ? (
                    <a href={repositoryUrl(name)}>{name}</a>
                  ) : (
                    <span class="dim">you may not see its name</span>
                  )}
                </td>
                <td class="number" data-label="Size">
                  <Bytes bytes={bytes} />
                </td>
                <td class="number" data-label="Shared">
                  <Bytes bytes={sharedBytes} />
                </td>
                <td class="number" data-label="Unique">
                  <Bytes bytes={uniqueBytes} />
                </td>
                <td class="number" data-label="Tags">
                  {tags}
                </td>
                <td class="number" data-label="Blobs">
                  {blobs}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <NumberedPages
        label="Pages of repositories"
        page={page}
        pages={pages}
        url={(number) => `/ui/activity?page=${number}`}
      />
    </>
  );
}
