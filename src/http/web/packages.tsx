/** The packages of an SBOM. */
import type { Answer } from "../../browse/content/content-protocol.js";
import type { SbomFacts, SbomPackage } from "../../domain/sbom.js";
import { count } from "../../lib/format.js";
import { fitItems, fitLine, htmlBytes } from "./fit.js";
import { RowPages } from "./paging.js";
import { Pending } from "./show.js";
import { TableHead } from "./table-head.js";

const bytesMax = 16_000;
const rowBytes = 110;
const cellBytesMax = 200;

export function Packages({
  sbom,
  from,
}: {
  readonly sbom: Answer<SbomFacts> | undefined;
  readonly from: number;
}) {
  if (sbom === undefined)
    return (
      <>
        <h2>Packages</h2>
        <Pending />
      </>
    );
  // In another format, there is the download.
  if ("problem" in sbom) return null;
  const { format, packages } = sbom.value;
  const first = from < packages.items.length ? from : 0;
  const shown = fitItems(packages.items.slice(first), bytesMax, costOf);
  return (
    <>
      <h2>Packages</h2>
      <p class="note">
        {fitLine(format, cellBytesMax)}, {count(packages.total, "package")}
      </p>
      {shown.length > 0 && (
        <table class="stack">
          <TableHead columns={["Package", "Version", "Licence"]} />
          <tbody>
            {shown.map(({ name, version = "", license = "" }) => (
              <tr>
                <td>{fitLine(name, cellBytesMax)}</td>
                <td data-label="Version">{fitLine(version, cellBytesMax)}</td>
                <td data-label="Licence">{fitLine(license, cellBytesMax)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <RowPages
        first={first}
        end={first + shown.length}
        known={packages.items.length}
        what="packages"
        parameter="packages"
      />
      {packages.total > packages.items.length && <p class="note">The file has all {packages.total}.</p>}
    </>
  );
}

function costOf({ name, version, license }: SbomPackage): number {
  return [name, version, license].reduce(
    (sum, text = "") => sum + Math.min(cellBytesMax, htmlBytes(text)),
    rowBytes,
  );
}
