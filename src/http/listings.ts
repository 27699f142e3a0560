/** Paginated lists over HTTP: tags (end-8), referrers (end-12) and the catalog. */
import type { CatalogPermit, PullPermit } from "../auth/gate.js";
import { parseDigest } from "../domain/digest.js";
import { mediaTypes } from "../domain/media-type.js";
import { spanOf } from "../domain/page.js";
import { listRepositories } from "../registry/catalog.js";
import { listReferrers } from "../registry/referrers.js";
import { tagsOf } from "../registry/tags.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { mirrored } from "./mirrored.js";
import { nextLink, parsePageSize } from "./query.js";

const json = ["Content-Type", "application/json"] as const;

export async function getTags(context: HttpContext, exchange: Exchange, permit: PullPermit): Promise<void> {
  const { services, listingTurns } = context;
  const query = new URLSearchParams(exchange.query);
  const n = parsePageSize(query.get("n"), services.rules.pageEntriesMax);
  const list = await listingTurns.within(
    exchange.client,
    exchange.untilGone(),
    () => mirrored(context, exchange, permit)?.tags() ?? tagsOf(services, permit),
  );
  const { start, end, next } = spanOf(list.tags, n, query.get("last") ?? "");
  const link = next === undefined ? [] : [nextLink(exchange, { n: String(n), last: next })];
  const body = [
    Buffer.from(`{"name":"${exchange.requestedName}","tags":[`),
    ...list.json(start, end),
    Buffer.from("]}"),
  ];
  exchange.send(200, [json, ...link], body);
}

export async function getCatalog(
  { services, listingTurns }: HttpContext,
  exchange: Exchange,
  permit: CatalogPermit,
): Promise<void> {
  const query = new URLSearchParams(exchange.query);
  const n = parsePageSize(query.get("n"), services.rules.pageEntriesMax);
  const signal = exchange.untilGone();
  const { items, next } = await listingTurns.within(exchange.client, signal, () =>
    listRepositories(services, permit, n, query.get("last") ?? "", signal),
  );
  const link = next === undefined ? [] : [nextLink(exchange, { n: String(n), last: next })];
  exchange.send(200, [json, ...link], JSON.stringify({ repositories: items }));
}

export async function getReferrers(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  text: string,
): Promise<void> {
  const { services, listingTurns } = context;
  const subject = parseDigest(text);
  const query = new URLSearchParams(exchange.query);
  // A media type has no spaces: a space here is a plus sign that the client did not encode.
  const artifactType = query.get("artifactType")?.replaceAll(" ", "+") || undefined;
  const last = query.get("last");
  const after = last === null || last === "" ? undefined : parseDigest(last);
  const n = parsePageSize(query.get("n"), services.rules.pageEntriesMax);
  const signal = exchange.untilGone();
  const wanted = { subject, artifactType, after, n };
  const { items, next } = await listingTurns.within(
    exchange.client,
    signal,
    () =>
      mirrored(context, exchange, permit)?.referrers(wanted, signal) ??
      listReferrers(services, permit, wanted, signal),
  );
  const parameters = { n: String(n), ...(artifactType !== undefined && { artifactType }) };
  const link = next === undefined ? [] : [nextLink(exchange, { ...parameters, last: next.digest })];
  exchange.send(
    200,
    [
      ["Content-Type", mediaTypes.ociIndex],
      ...(artifactType === undefined ? [] : [["OCI-Filters-Applied", "artifactType"] as const]),
      ...link,
    ],
    `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${items.map((item) => item.json).join(",")}]}`,
  );
}
