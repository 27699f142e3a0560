/** The repositories that the visitor may pull from. */
import type { CatalogPermit, PagePermit } from "../../auth/gate.js";
import { listRepositories } from "../../registry/catalog.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Layout } from "./layout.js";
import { sendPage } from "./send-page.js";

/** Repositories on one page. */
const pageEntries = 100;

/** The server's root: the repositories, or a page that says how to see them. Always 200, because probes ask for it. */
export async function getHome(context: HttpContext, exchange: Exchange, permit: PagePermit): Promise<void> {
  if (permit.catalog !== undefined) return getRepositories(context, exchange, permit.catalog);
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="">
      <h1>Gantry</h1>
      <p>This is a registry for container images. Log in to see what it contains.</p>
    </Layout>,
  );
}

export async function getRepositories(
  context: HttpContext,
  exchange: Exchange,
  permit: CatalogPermit,
): Promise<void> {
  const { services, listingTurns } = context;
  const query = new URLSearchParams(exchange.query);
  const signal = exchange.untilGone();
  const { items } = await listingTurns.within(exchange.client, signal, () =>
    listRepositories(services, permit, pageEntries, query.get("last") ?? "", signal),
  );
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="" live="*">
      <h1>Repositories</h1>
      <ul>
        {items.map((name) => (
          <li>
            <a href={`/ui/r/${name}/_tags`}>{name}</a>
          </li>
        ))}
      </ul>
    </Layout>,
  );
}
