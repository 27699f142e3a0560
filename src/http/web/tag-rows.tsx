/** The table of tags: what each points to, its times, and how long it stays. */
import type { ListMarks } from "../../browse/graph/relations.js";
import type { FoundFacts } from "../../browse/image-facts.js";
import type { ListedTag } from "../../browse/tag-index.js";
import type { RemainingRetention } from "../../gc/retention.js";
import { ContentCells } from "./content-cells.js";
import { Pending, relative, ShortDigest, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { TagMarks } from "./tag-marks.js";

interface TagsProps {
  readonly tags: readonly ListedTag[];
  readonly facts: FoundFacts["facts"];
  readonly marks: ListMarks["marks"] | undefined;
  readonly canDelete: boolean;
}

/** Addresses are relative: with a name of 255 characters in each, a page would be too large. */
export function TagRows({ tags, facts, marks, canDelete }: TagsProps) {
  const now = Date.now();
  return (
    <table class="stack">
      <TableHead columns={["Tag", "Pushed", "Pulled", "Content", { number: "Size" }, "Digest", "Kept"]} />
      <tbody>
        {tags.map(({ tag, digest, pushedAt, pulledAt, retention }, row) => (
          <tr>
            <td>
              {canDelete && <input type="checkbox" name="tag" value={tag} aria-labelledby={`tag${row}`} />}{" "}
              <a id={`tag${row}`} href={`_image/${tag}`}>
                {tag}
              </a>{" "}
              <TagMarks tag={tag} marks={digest && marks?.get(digest)} />
            </td>
            <td data-label="Pushed">
              {pushedAt === undefined ? <Pending /> : <When at={pushedAt} now={now} />}
            </td>
            <td data-label="Pulled">
              <Pulled at={pulledAt} now={now} />
            </td>
            <ContentCells
              facts={digest && facts.get(digest)}
              isKnown={digest !== undefined && facts.has(digest)}
            />
            <td data-label="Digest">
              {digest === undefined ? <Pending /> : <ShortDigest digest={digest} />}
            </td>
            <td data-label="Kept">
              <Remaining retention={retention} now={now} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Pulled({ at, now }: { readonly at: ListedTag["pulledAt"]; readonly now: number }) {
  if (at === undefined) return <Pending />;
  return at === "never" ? <span class="dim">never</span> : <When at={at} now={now} />;
}

function Remaining({
  retention,
  now,
}: {
  readonly retention: RemainingRetention | undefined;
  readonly now: number;
}) {
  switch (retention?.kind) {
    case undefined:
      return <Pending />;
    case "immutable":
      return <span class="tag">immutable</span>;
    case "no-rule":
      return <span class="dim">until deleted</span>;
    case "among-last":
      return (
        <span title={retention.rule}>
          {retention.place} of the last {retention.keepLast}
        </span>
      );
    case "until":
      return <span title={retention.rule}>expires {relative(retention.at, now)}</span>;
    case "expired":
      return (
        <span class="warn" title={`${retention.rule}: ${retention.why}`}>
          expires with the next run
        </span>
      );
  }
}
