/** Two cells of a row: what a manifest is, and its size. */
import type { ImageFacts } from "../../browse/whole-image.js";
import { titleOfKind } from "../../domain/artifact-kind.js";
import { platformText } from "../../domain/manifest-details.js";
import { count } from "../../lib/format.js";
import { fitLine } from "./fit.js";
import { Bytes, Pending } from "./show.js";

/** Platforms of an index in its row. */
const platformsMax = 4;
const platformBytesMax = 40;

export function ContentCells({
  facts,
  isKnown,
}: {
  readonly facts: ImageFacts | undefined;
  readonly isKnown: boolean;
}) {
  if (facts === undefined)
    return (
      <>
        <td data-label="Content">{isKnown ? <span class="warn">missing or damaged</span> : <Pending />}</td>
        <td data-label="Size" class="number" />
      </>
    );
  const { platforms, missingChildren, bytes, isPartial } = facts;
  const shown = platforms
    .slice(0, platformsMax)
    .map((platform) => fitLine(platformText(platform), platformBytesMax));
  const more = platforms.length - shown.length;
  return (
    <>
      <td data-label="Content">
        <span>
          {titleOfKind(facts.content)}
          {shown.length > 0 && (
            <span class="dim"> {shown.join(", ") + (more > 0 ? ` and ${more} more` : "")}</span>
          )}
          {missingChildren > 0 && <span class="warn"> {count(missingChildren, "image")} missing</span>}
        </span>
      </td>
      <td data-label="Size" class="number">
        {isPartial && "at least "}
        <Bytes bytes={bytes} />
      </td>
    </>
  );
}
