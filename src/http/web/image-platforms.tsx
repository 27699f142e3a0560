/** The images of an index. */
import type { PlatformImage, PlatformPage } from "../../browse/content/platforms.js";
import { platformText } from "../../domain/manifest-details.js";
import { fitLine } from "./fit.js";
import { DigestLink } from "./image-parts.js";
import { RowPages } from "./paging.js";
import { Bytes } from "./show.js";
import { TableHead } from "./table-head.js";

/** With the longest platforms and references, forty rows take 26 KB. */
const platformBytesMax = 120;
const attestationsMax = 2;

export function Platforms({ page, reference }: { readonly page: PlatformPage; readonly reference: string }) {
  const { images, from, total, bytes } = page;
  if (total === 0) return null;
  return (
    <>
      <h2>Platforms</h2>
      <table class="stack">
        <TableHead columns={["Platform", "Digest", "Attestations", { number: "Pull size" }]} />
        <tbody>
          {images.map((image) => (
            <Row image={image} reference={reference} />
          ))}
        </tbody>
      </table>
      {bytes !== undefined && images.length > 1 && (
        <p class="note">
          All platforms together: <Bytes bytes={bytes} />, with what several share counted once
        </p>
      )}
      <RowPages first={from} end={from + images.length} known={total} what="platforms" />
    </>
  );
}

function Row({ image, reference }: { readonly image: PlatformImage; readonly reference: string }) {
  const { descriptor, bytes, attestations } = image;
  const { platform, digest } = descriptor;
  return (
    <tr>
      <td>
        {platform === undefined ? (
          <span class="dim">no platform</span>
        ) : (
          <>
            {fitLine(platformText(platform), platformBytesMax)}
            {platform.osVersion !== undefined && <span class="dim"> {fitLine(platform.osVersion, 60)}</span>}
          </>
        )}
      </td>
      <td data-label="Digest">
        <DigestLink digest={digest} of={reference} />
      </td>
      <td data-label="Attestations">
        {attestations.slice(0, attestationsMax).map((attestation) => (
          <>
            <DigestLink digest={attestation.digest} />{" "}
          </>
        ))}
      </td>
      <td data-label="Pull size" class="number">
        {bytes === "missing" ? <span class="dim">not stored here</span> : <Bytes bytes={bytes} />}
      </td>
    </tr>
  );
}
