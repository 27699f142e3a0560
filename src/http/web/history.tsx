/** The history of a tag. */
import type { PullPermit } from "../../auth/gate.js";
import type { Digest } from "../../domain/digest.js";
import { parseTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { HistoryEntry } from "../../registry/tag-history.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { EntryAuthor, EntryTarget } from "./history-parts.js";
import { Layout } from "./layout.js";
import { Notice } from "./notice.js";
import { pageDeadline } from "./page-deadline.js";
import { Paging } from "./paging.js";
import { sendPage } from "./send-page.js";
import { Crumbs, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { webOf } from "./web.js";

const entriesOfPage = 50;

export async function getHistoryPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const { name } = permit;
  const before = Number(new URLSearchParams(exchange.query).get("before") ?? Number.NaN);
  const query = { n: entriesOfPage, ...(Number.isFinite(before) && { before }) };
  const asker = { client: exchange.client, deadline: pageDeadline(exchange) };
  const { value, complete } = await webOf(context).browse.histories.history(permit, tag, query, asker);
  const canPush = context.gate.may(permit.identity, "push", name);
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={`History of ${name}:${tag}`}
      live={name}
      pending={!complete}
    >
      <Crumbs repository={name} />
      <h1>History of {tag}</h1>
      <Notice context={context} exchange={exchange} />
      {value === undefined ? (
        <p>The history is being read.</p>
      ) : (
        <>
          <Entries name={name} tag={tag} entries={value.items} current={value.current} canPush={canPush} />
          <Paging label="Earlier entries" next={value.next && `?before=${value.next.at}`} />
        </>
      )}
      <p class="note">
        Earlier images stay until garbage collection removes those that no tag points to. A retention rule can
        keep them longer.
      </p>
    </Layout>,
  );
}

interface EntriesProps {
  readonly name: RepositoryName;
  readonly tag: Tag;
  readonly entries: readonly HistoryEntry[];
  /** What the tag points to. */
  readonly current: Digest | undefined;
  readonly canPush: boolean;
}

function Entries({ name, tag, entries, current, canPush }: EntriesProps) {
  return (
    <table class="stack">
      <TableHead columns={["Since", "Image", "By", { hidden: "State or action" }]} />
      <tbody>
        {entries.map((entry) => (
          <tr>
            <td>
              <When at={entry.at} />
            </td>
            <td data-label="Image">
              <EntryTarget name={name} entry={entry} />
            </td>
            <td data-label="By">
              <EntryAuthor entry={entry} />
            </td>
            <td>
              <State tag={tag} entry={entry} current={current} canPush={canPush} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function State({
  tag,
  entry: { digest, isCurrent, isAvailable },
  current,
  canPush,
}: Pick<EntriesProps, "tag" | "current" | "canPush"> & { readonly entry: HistoryEntry }) {
  if (isCurrent) return <span class="tag">current</span>;
  if (digest === undefined || !isAvailable) return <span class="dim">no longer here</span>;
  if (!canPush || digest === current) return null;
  return <a href={`../_rollback/${tag}?${new URLSearchParams({ digest })}`}>Roll back to this image …</a>;
}
