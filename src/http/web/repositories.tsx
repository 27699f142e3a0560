/** The repositories that the visitor may pull from: a level of the tree of their names, or the result of a search. */
import type { CatalogPermit, PagePermit } from "../../auth/gate.js";
import type { LevelEntry } from "../../browse/namespace-level.js";
import { levelEntriesMax, type NamespacePage } from "../../browse/repository-index.js";
import type { FoundSummaries } from "../../browse/repository-summaries.js";
import type { RepositorySummary } from "../../browse/summary.js";
import { visibleLine } from "../../lib/control-characters.js";
import { count } from "../../lib/format.js";
import { hub } from "../../upstream/names.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { targetOf } from "./client-target.js";
import { Layout } from "./layout.js";
import { pageDeadline } from "./page-deadline.js";
import { Paging } from "./paging.js";
import { sendPage } from "./send-page.js";
import { Bytes, Crumbs, namespaceUrl, Pending, repositoryUrl, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { webOf } from "./web.js";

/** Longer than any name. */
const searchCharactersMax = 256;

const foundMax = 50;

/** The server's root: the repositories, or a page that says how to see them. Always 200, because probes ask for it. */
export async function getHome(context: HttpContext, exchange: Exchange, permit: PagePermit): Promise<void> {
  const { sessions } = webOf(context);
  if (permit.catalog !== undefined && sessions.isTrusted(exchange))
    return getRepositories(context, exchange, permit.catalog);
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="">
      <h1>Gantry</h1>
      {sessions.isTrusted(exchange) ? (
        <p>This is a registry for container images. Log in to see what it contains.</p>
      ) : (
        <p>
          This is a registry for container images. <a href="/ui/">See what it contains</a>.
        </p>
      )}
    </Layout>,
  );
}

export async function getRepositories(
  context: HttpContext,
  exchange: Exchange,
  permit: CatalogPermit,
): Promise<void> {
  const query = new URLSearchParams(exchange.query);
  const text = query.get("q")?.trim() ?? "";
  if (text === "") await sendLevel(context, exchange, permit, query);
  else await sendFound(context, exchange, permit, text);
}

async function sendLevel(
  context: HttpContext,
  exchange: Exchange,
  permit: CatalogPermit,
  query: URLSearchParams,
): Promise<void> {
  const { browse } = webOf(context);
  const deadline = pageDeadline(exchange);
  const namespace = query.get("in") ?? "";
  const level = { namespace, last: query.get("last") ?? "", n: levelEntriesMax };
  const found = await browse.repositories.namespace(permit, level, deadline);
  const { entries, next, repositories } = found;
  const names = entries.flatMap((entry) => (entry.kind === "repository" ? [entry.name] : []));
  const { summaries, ...summarized } = await browse.summaries.get(permit, names, deadline, exchange.client);
  const complete = found.complete && summarized.complete;
  const title = namespace === "" ? "Repositories" : visibleLine(namespace);
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={namespace === "" ? "" : title}
      live="*"
      pending={!complete}
    >
      {namespace !== "" && <Crumbs namespace={namespace} />}
      <h1>{title}</h1>
      <Counted found={found} />
      {found.own !== undefined && (
        <p>
          <a href={repositoryUrl(found.own)}>The repository {found.own}</a>
        </p>
      )}
      {entries.length > 0 && (
        <Entries entries={entries} summaries={summaries} namespace={namespace} tooMany={found.tooMany} />
      )}
      {entries.length === 0 && complete && found.own === undefined && (
        <Empty context={context} exchange={exchange} namespace={namespace} />
      )}
      <Paging
        label="More of this level"
        next={next && `/ui/?${new URLSearchParams({ in: namespace, last: next })}`}
      />
      {repositories === undefined && !complete && <p class="note">The list is still being read.</p>}
    </Layout>,
  );
}

function Counted({ found }: { readonly found: NamespacePage }) {
  const { repositories, tooMany } = found;
  if (tooMany && repositories === undefined)
    return <p class="note">Counts are not shown: the registry has too many repositories.</p>;
  if (repositories === undefined || repositories === 0) return null;
  return <p class="note">{count(repositories, "repository", "repositories")}</p>;
}

interface EntriesProps {
  readonly entries: readonly LevelEntry[];
  readonly summaries: FoundSummaries["summaries"];
  readonly namespace: string;
  /** Whether counts are missing for good. */
  readonly tooMany: boolean;
}

function Entries({ entries, summaries, namespace, tooMany }: EntriesProps) {
  const prefix = namespace === "" ? 0 : namespace.length + 1;
  return (
    <table class="stack">
      <TableHead columns={["Name", { number: "Content" }, { number: "Size" }, "Last push"]} />
      <tbody>
        {entries.map((entry) =>
          entry.kind === "repository" ? (
            <tr>
              <td>
                <a href={repositoryUrl(entry.name)}>{entry.name.slice(prefix)}</a>
              </td>
              <Facts summary={summaries.get(entry.name)} />
            </tr>
          ) : (
            <tr>
              <td>
                <a href={namespaceUrl(entry.path)}>{entry.path.slice(prefix)}/</a>
              </td>
              <td class="number" data-label="Content">
                {entry.repositories === undefined
                  ? !tooMany && <Pending />
                  : count(entry.repositories, "repository", "repositories")}
              </td>
              <td class="number" />
              <td />
            </tr>
          ),
        )}
      </tbody>
    </table>
  );
}

/** The cells of a repository. */
function Facts({ summary }: { readonly summary: RepositorySummary | undefined }) {
  return (
    <>
      <td class="number" data-label="Content">
        {summary === undefined ? <Pending /> : count(summary.tags, "tag")}
      </td>
      <td class="number" data-label="Size">
        <Bytes bytes={summary?.bytes} />
      </td>
      <td data-label="Last push">
        {summary === undefined ? (
          <Pending />
        ) : (
          summary.lastPushAt !== undefined && <When at={summary.lastPushAt} />
        )}
      </td>
    </>
  );
}

interface EmptyProps {
  readonly context: HttpContext;
  readonly exchange: Exchange;
  readonly namespace: string;
}

/** What to do in a registry without content. */
function Empty({ context, exchange, namespace }: EmptyProps) {
  if (namespace !== "") return <p>No repository below {visibleLine(namespace)} that you may pull from.</p>;
  const { host } = targetOf(context, exchange);
  const cached = context.upstreams?.names.default;
  if (cached !== undefined)
    return (
      <>
        <p>No repositories yet. This registry caches images that you pull through it:</p>
        <pre tabindex={0}>{`docker pull ${host}/${cached.name === hub ? "alpine" : "NAME"}`}</pre>
      </>
    );
  return (
    <>
      <p>No repositories yet. To push the first image:</p>
      <pre tabindex={0}>{`docker tag alpine ${host}/alpine\ndocker push ${host}/alpine`}</pre>
    </>
  );
}

async function sendFound(
  context: HttpContext,
  exchange: Exchange,
  permit: CatalogPermit,
  text: string,
): Promise<void> {
  const deadline = pageDeadline(exchange);
  const search = { text: text.slice(0, searchCharactersMax), n: foundMax };
  const { browse } = webOf(context);
  const found = await browse.repositories.search(permit, search, deadline);
  const { names, more } = found;
  const { summaries, ...summarized } = await browse.summaries.get(permit, names, deadline, exchange.client);
  const entries = names.map((name) => ({ kind: "repository", name }) as const);
  const shown = visibleLine(search.text);
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={`Search: ${shown}`}
      pending={!found.complete || !summarized.complete}
    >
      <h1>Repositories with “{shown}”</h1>
      <p class="note" role="status">
        {more ? `The best ${names.length}` : count(names.length, "repository", "repositories")}
        {found.complete ? "" : " so far"}
        {found.tooMany ? ", among the first repositories only: the registry has too many to search all" : ""}
      </p>
      {entries.length > 0 && (
        <Entries entries={entries} summaries={summaries} namespace="" tooMany={found.tooMany} />
      )}
      {entries.length === 0 && found.complete && (
        <p>
          No repository that you may pull from has this in its name. <a href="/ui/">See all repositories</a>
        </p>
      )}
    </Layout>,
  );
}
