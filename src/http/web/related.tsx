/** The other tags of a manifest, and the indexes that contain it. */

import { attestedBy } from "../../browse/content/platforms.js";
import type { ContainingIndex, Found, RelatedManifests } from "../../browse/graph/relations.js";
import type { Some } from "../../domain/bounded.js";
import { platformText } from "../../domain/manifest-details.js";
import type { Tag } from "../../domain/reference.js";
import { fitLine } from "./fit.js";
import { DigestLink, Fact, More } from "./image-parts.js";
import { KnownExtent } from "./known-extent.js";
import { TableHead } from "./table-head.js";

const platformBytesMax = 120;

interface RelatedProps {
  readonly related: Found<RelatedManifests>;
}

/** `isTag` says whether the page is that of a tag, rather than of a digest. */
export function OtherTags({ related, isTag }: RelatedProps & { readonly isTag: boolean }) {
  const tags = related.value?.tags;
  if (tags === undefined || (isTag && tags.total === 0)) return null;
  return (
    <dl class="facts">
      <Fact name={isTag ? "Other tags" : "Tags"}>
        {tags.total === 0 ? <span class="dim">none</span> : <TagLinks tags={tags} />}
      </Fact>
    </dl>
  );
}

function TagLinks({ tags: { items, total } }: { readonly tags: Some<Tag> }) {
  return (
    <>
      {items.map((tag, place) => (
        <>
          {place > 0 && ", "}
          <a href={`./${tag}`}>{tag}</a>
        </>
      ))}
      {total > items.length && ` and ${total - items.length} more`}
    </>
  );
}

export function ReferencedBy({ related }: RelatedProps) {
  const indexes = related.value?.indexes;
  const isUnknown = indexes === undefined || related.extent?.omitted !== 0;
  if (!isUnknown && indexes.total === 0) return null;
  return (
    <>
      <h2>Referenced by</h2>
      {indexes !== undefined && indexes.total > 0 && <Indexes indexes={indexes} />}
      <KnownExtent found={related} />
    </>
  );
}

function Indexes({ indexes: { items, total } }: { readonly indexes: Some<ContainingIndex> }) {
  return (
    <>
      <table class="stack">
        <TableHead columns={["Index", "Tags", "Platform"]} />
        <tbody>
          {items.map((index) => (
            <tr>
              <td>
                <DigestLink digest={index.digest} />
              </td>
              <td data-label="Tags">
                {index.tags.total === 0 ? <span class="dim">none</span> : <TagLinks tags={index.tags} />}
              </td>
              <td data-label="Platform">
                <Platform index={index} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <More shown={items.length} total={total} />
    </>
  );
}

function Platform({ index: { entry } }: { readonly index: ContainingIndex }) {
  if (entry === undefined) return null;
  if (attestedBy(entry) !== undefined) return <span class="dim">attestation</span>;
  if (entry.platform === undefined) return <span class="dim">no platform</span>;
  return <>{fitLine(platformText(entry.platform), platformBytesMax)}</>;
}
