/** A repository: its tags, in an order, filtered and page by page. */
import type { PullPermit } from "../../auth/gate.js";
import type { RepositorySummary } from "../../browse/summary.js";
import { type TagOrder, type TagPage, tagOrders } from "../../browse/tag-index.js";
import { count } from "../../lib/format.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { positiveIn } from "../query.js";
import { Layout } from "./layout.js";
import { Notice } from "./notice.js";
import { pageDeadline } from "./page-deadline.js";
import { NumberedPages } from "./paging.js";
import { sendPage } from "./send-page.js";
import { Bytes, Crumbs, Pending, When } from "./show.js";
import { TagRows } from "./tag-rows.js";
import { webOf } from "./web.js";

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
  const { client } = exchange;
  const [found, { summaries }] = await Promise.all([
    browse.tags.page(permit, { ...wanted, n: tagsOfPage }, deadline, client),
    browse.summaries.get(context.gate.catalog(identity), [name], deadline.half(), client),
  ]);
  const digests = found.tags.flatMap(({ digest }) => digest ?? []);
  const [images, attached] = await Promise.all([
    browse.images.get(permit, digests, deadline, client),
    browse.relations.marks(permit, digests, deadline, client),
  ]);
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
      <Notice context={context} exchange={exchange} />
      <Summary summary={summaries.get(name)} isMirrored={context.services.isMirrored(name)} />
      <Search wanted={wanted} found={found} attachmentTags={attached.value?.attachmentTags} />
      {found.tags.length === 0 ? (
        <NoTags wanted={wanted} found={found} />
      ) : (
        <form action="_delete">
          <TagRows
            tags={found.tags}
            facts={images.facts}
            marks={attached.value?.marks}
            canDelete={canDelete}
          />
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
  return {
    order: tagOrders.find((order) => order === given) ?? "newest",
    filter: (query.get("filter") ?? "").trim().slice(0, filterCharactersMax),
    page: positiveIn(query, "page", 1),
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
      {order !== wanted.order && !found.tooMany && ", by name until the times are known"}
      {order !== wanted.order && found.tooMany && ", by name: this repository has too many tags to sort them"}
    </span>
  );
}

function NoTags({ wanted, found }: { readonly wanted: Wanted; readonly found: TagPage }) {
  if (!found.complete) return <p>The tags are being read.</p>;
  if (wanted.filter !== "") return <p>No tag contains this text.</p>;
  return <p>This repository has no tags. Its images can be pulled by digest.</p>;
}

/** Returns the address of a page. */
function pageUrl(wanted: Wanted, number: number): string {
  return `_tags?${new URLSearchParams({
    sort: wanted.order,
    ...(wanted.filter !== "" && { filter: wanted.filter }),
    page: String(number),
  })}`;
}
