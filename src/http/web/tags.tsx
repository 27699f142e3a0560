/** A repository: its tags, with what each is and how long it stays. */
import type { PullPermit } from "../../auth/gate.js";
import type { ListMarks } from "../../browse/graph/relations.js";
import type { FoundFacts } from "../../browse/image-facts.js";
import type { RepositorySummary } from "../../browse/summary.js";
import { type ListedTag, type TagOrder, type TagPage, tagOrders } from "../../browse/tag-index.js";
import { count } from "../../commands/format.js";
import type { RemainingRetention } from "../../gc/retention.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { ContentCells } from "./content-cells.js";
import { webOf } from "./forms.js";
import { Layout } from "./layout.js";
import { Notice } from "./notice.js";
import { NumberedPages } from "./numbered-pages.js";
import { pageDeadline } from "./page-deadline.js";
import { sendPage } from "./send-page.js";
import { Bytes, Crumbs, Pending, relative, ShortDigest, When } from "./show.js";
import { TagMarks } from "./tag-marks.js";

/** With the longest tags and platforms, a page of this many has 45 KB. */
const tagsOfPage = 30;

const filterCharactersMax = 128;

const orderTitles: Readonly<Record<TagOrder, string>> = {
  newest: "Newest push first",
  oldest: "Oldest push first",
  version: "Highest version first",
  name: "By name",
};

/** What the visitor asked for. */
interface Wanted {
  readonly order: TagOrder;
  readonly filter: string;
  readonly page: number;
}

export async function getTagPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): Promise<void> {
  const wanted = parseWanted(new URLSearchParams(exchange.query));
  const deadline = pageDeadline(exchange);
  const { browse } = webOf(context);
  const { name, identity } = permit;
  const [found, { summaries }] = await Promise.all([
    browse.tags.page(permit, { ...wanted, n: tagsOfPage }, deadline),
    browse.summaries.get(context.gate.catalog(identity), [name], deadline.half()),
  ]);
  const digests = found.tags.flatMap(({ digest }) => digest ?? []);
  const images = await browse.images.get(permit, digests, deadline);
  const attached = await browse.relations.marks(permit, digests, deadline);
  const canDelete = context.services.rules.deleteEnabled && context.gate.may(identity, "delete", name);
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={name}
      live={name}
      pending={!found.complete || !images.complete || !attached.complete}
    >
      <Crumbs repository={name} />
      <h1>{name}</h1>
      <Notice exchange={exchange} />
      <Summary summary={summaries.get(name)} isMirrored={context.services.isMirrored(name)} />
      <Search wanted={wanted} found={found} attachmentTags={attached.value?.attachmentTags} />
      {found.tags.length === 0 ? (
        <NoTags wanted={wanted} found={found} />
      ) : (
        <form action="_delete">
          <Tags tags={found.tags} facts={images.facts} marks={attached.value?.marks} canDelete={canDelete} />
          {canDelete && (
            <p>
              <button type="submit" class="bad">
                Delete selected tags …
              </button>
            </p>
          )}
        </form>
      )}
      <NumberedPages page={found.page} pages={found.pages} url={(page) => pageUrl(wanted, page)} />
      <p class="note">
        <a href="_removed">Removed tags</a> · <a href="_untagged">Manifests without a tag</a>
      </p>
    </Layout>,
  );
}

function parseWanted(query: URLSearchParams): Wanted {
  const given = query.get("sort");
  const page = Number(query.get("page") ?? 1);
  return {
    order: tagOrders.find((order) => order === given) ?? "newest",
    filter: (query.get("filter") ?? "").trim().slice(0, filterCharactersMax),
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  };
}

/** The repository as a whole. */
function Summary({
  summary,
  isMirrored,
}: {
  readonly summary: RepositorySummary | undefined;
  readonly isMirrored: boolean;
}) {
  if (summary === undefined && !isMirrored) return null;
  return (
    <p class="row note">
      {isMirrored && <span class="tag">cached from an upstream registry</span>}
      {summary?.bytes !== undefined && <Bytes bytes={summary.bytes} />}
      {summary?.lastPushAt !== undefined && (
        <span>
          last push <When at={summary.lastPushAt} />
        </span>
      )}
    </p>
  );
}

interface SearchProps {
  readonly wanted: Wanted;
  readonly found: TagPage;
  /** Tags of the repository that are names of attachments; absent as long as they are not counted. */
  readonly attachmentTags: number | undefined;
}

function Search(props: SearchProps) {
  const { wanted } = props;
  return (
    <form class="row" action="_tags">
      <label>
        Filter <input type="search" name="filter" value={wanted.filter} maxlength={filterCharactersMax} />
      </label>
      <label>
        Sort{" "}
        <select name="sort">
          {tagOrders.map((order) => (
            <option value={order} selected={order === wanted.order}>
              {orderTitles[order]}
            </option>
          ))}
        </select>
      </label>
      <button type="submit">Show</button>
      <Counts {...props} />
    </form>
  );
}

function Counts({ wanted, found, attachmentTags = 0 }: SearchProps) {
  const { total, matching, order } = found;
  return (
    <span class="note" role="status">
      {wanted.filter !== "" && total !== undefined ? `${matching} of ` : ""}
      {total === undefined ? <Pending /> : count(total, "tag")}
      {attachmentTags > 0 && `, ${attachmentTags} of them for signatures and other attachments`}
      {order !== wanted.order && ", by name until the times are known"}
    </span>
  );
}

function NoTags({ wanted, found }: { readonly wanted: Wanted; readonly found: TagPage }) {
  if (!found.complete) return <p>The tags are being read.</p>;
  if (wanted.filter !== "") return <p>No tag contains this text.</p>;
  return <p>This repository has no tags. Its images can be pulled by digest.</p>;
}

interface TagsProps {
  readonly tags: readonly ListedTag[];
  readonly facts: FoundFacts["facts"];
  readonly marks: ListMarks["marks"] | undefined;
  readonly canDelete: boolean;
}

/** Addresses are relative: with a name of 255 characters in each, a page would be too large. */
function Tags({ tags, facts, marks, canDelete }: TagsProps) {
  const now = Date.now();
  return (
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">Tag</th>
          <th scope="col">Pushed</th>
          <th scope="col">Pulled</th>
          <th scope="col">Content</th>
          <th scope="col" class="number">
            Size
          </th>
          <th scope="col">Digest</th>
          <th scope="col">Kept</th>
        </tr>
      </thead>
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

/** Returns the address of a page. */
function pageUrl(wanted: Wanted, number: number): string {
  return `_tags?${new URLSearchParams({
    sort: wanted.order,
    ...(wanted.filter !== "" && { filter: wanted.filter }),
    page: String(number),
  })}`;
}
