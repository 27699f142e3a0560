/** The tags that were removed and can be restored. */
import type { PullPermit } from "../../auth/gate.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { RemovedTag } from "../../registry/tag-history.js";
import { tagsOf } from "../../registry/tags.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { EntryAuthor, Target } from "./history-parts.js";
import { Layout } from "./layout.js";
import { pageDeadline } from "./page-deadline.js";
import { Paging } from "./paging.js";
import { sendPage } from "./send-page.js";
import { Crumbs, repositoryUrl, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { webOf } from "./web.js";

const tagsOfPage = 50;

export async function getRemovedPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): Promise<void> {
  const { name } = permit;
  const after = new URLSearchParams(exchange.query).get("last") ?? "";
  const deadline = pageDeadline(exchange);
  const asker = { client: exchange.client, deadline };
  const { value, complete } = await webOf(context).browse.histories.removed(
    permit,
    { n: tagsOfPage, after },
    asker,
  );
  // A repository without content may have removed tags. Without any, it must exist: this throws `name-unknown`.
  if (value?.items.length === 0 && after === "") await deadline.within(tagsOf(context.services, permit));
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={`Removed tags of ${name}`}
      live={name}
      pending={!complete}
    >
      <Crumbs repository={name} />
      <h1>Removed tags</h1>
      {value === undefined ? (
        <p>The removed tags are being read.</p>
      ) : value.items.length === 0 ? (
        <p>
          No tag of <a href={repositoryUrl(name)}>{name}</a> was removed lately.
        </p>
      ) : (
        <>
          <p>To bring a tag back, open it and roll it back to one of its images.</p>
          <Removed name={name} tags={value.items} />
        </>
      )}
      <Paging
        label="Further tags"
        next={value?.next && `?${new URLSearchParams({ last: value.next.tag })}`}
      />
    </Layout>,
  );
}

function Removed({ name, tags }: { readonly name: RepositoryName; readonly tags: readonly RemovedTag[] }) {
  return (
    <table class="stack">
      <TableHead columns={["Tag", "Removed", "By", "Last image"]} />
      <tbody>
        {tags.map(({ tag, last }) => (
          <tr>
            <td>
              <a href={`_history/${tag}`}>{tag}</a>
            </td>
            <td data-label="Removed">
              <When at={last.at} />
            </td>
            <td data-label="By">
              <EntryAuthor entry={last} />
            </td>
            <td data-label="Last image">
              <Target name={name} entry={last} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
