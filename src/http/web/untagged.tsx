/** The manifests of a repository to which no tag points, and what keeps them. */
import type { PullPermit } from "../../auth/gate.js";
import type { Keeper } from "../../browse/graph/keeper.js";
import type { UntaggedPage } from "../../browse/graph/relations.js";
import type { FoundFacts } from "../../browse/image-facts.js";
import { count } from "../../lib/format.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { positiveIn } from "../query.js";
import { ContentCells } from "./content-cells.js";
import { FateText } from "./fate.js";
import { KnownExtent } from "./known-extent.js";
import { Layout } from "./layout.js";
import { pageDeadline } from "./page-deadline.js";
import { NumberedPages } from "./paging.js";
import { sendPage } from "./send-page.js";
import { Crumbs, Pending, ShortDigest, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { webOf } from "./web.js";

/** With the longest tags, digests and platforms, a page of this many has 45 KB. */
const manifestsOfPage = 30;

export async function getUntaggedPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): Promise<void> {
  const { name } = permit;
  const { client } = exchange;
  const { relations, images } = webOf(context).browse;
  const deadline = pageDeadline(exchange);
  const page = positiveIn(new URLSearchParams(exchange.query), "page", 1);
  const found = await relations.untagged(permit, { page, n: manifestsOfPage }, deadline, client);
  const digests = found.value?.manifests.map(({ digest }) => digest) ?? [];
  const { facts, complete } = await images.get(permit, digests, deadline, client);
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={`Manifests without a tag in ${name}`}
      live={name}
      pending={!found.complete || !complete}
    >
      <Crumbs repository={name} />
      <h1>Manifests without a tag</h1>
      {found.value !== undefined && <Untagged found={found.value} facts={facts} />}
      <KnownExtent found={found} />
    </Layout>,
  );
}

interface UntaggedProps {
  readonly found: UntaggedPage;
  readonly facts: FoundFacts["facts"];
}

function Untagged({ found, facts }: UntaggedProps) {
  const { total, page, pages, fate } = found;
  if (total === 0) return <p>Every manifest of this repository has a tag.</p>;
  return (
    <>
      <p role="status">{count(total, "manifest")}, the last pushed first</p>
      <Manifests found={found} facts={facts} />
      <NumberedPages page={page} pages={pages} url={(number) => `?page=${number}`} />
      <p class="note">
        <FateText fate={fate} of="manifests that nothing keeps" />
      </p>
    </>
  );
}

/** Addresses are relative: with a name of 255 characters in each, a page would be too large. */
function Manifests({ found, facts }: UntaggedProps) {
  const now = Date.now();
  return (
    <table class="stack">
      <TableHead columns={["Digest", "First pushed", "Content", { number: "Size" }, "Kept by"]} />
      <tbody>
        {found.manifests.map(({ digest, pushedAt, keeper }) => (
          <tr>
            <td>
              <a href={`_image/${digest}`}>
                <ShortDigest digest={digest} />
              </a>
            </td>
            <td data-label="First pushed">
              {pushedAt === undefined ? <Pending /> : <When at={pushedAt} now={now} />}
            </td>
            <ContentCells facts={facts.get(digest)} isKnown={facts.has(digest)} />
            <td data-label="Kept by">
              <KeptBy keeper={keeper} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function KeptBy({ keeper }: { readonly keeper: Keeper }) {
  switch (keeper.kind) {
    case "nothing":
      return <span class="warn">nothing</span>;
    case "unknown":
      return <span class="dim">unknown</span>;
    case "tag":
      return <>the tag {keeper.tag}</>;
    case "referrers-tag":
      return <>the tag {keeper.tag}, which lists its referrers</>;
    case "earlier":
      return <>a retention rule: {keeper.tag} pointed to it before</>;
    default:
      return (
        <span>
          {keeper.kind === "index" ? "part of " : "refers to "}
          <a href={`_image/${keeper.by}`}>
            <ShortDigest digest={keeper.by} />
          </a>
          , tag {keeper.tag}
        </span>
      );
  }
}
