/** The history of tags over HTTP, and going back in it. These are endpoints of this registry, not of the specification. */
import type { PullPermit, PushPermit } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import { parseTag } from "../domain/reference.js";
import { entryJson, type HistoryEntry, removedTags, rollBack, tagHistory } from "../registry/tag-history.js";
import { etagOf, preconditionOf } from "./conditional.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { digestIn, nextLink, parsePageSize } from "./query.js";

const json = ["Content-Type", "application/json"] as const;

/** Removed tags of a page: each costs some reads of the storage. */
const removedTagsMax = 100;

export async function getHistory(
  { services, listingTurns }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const query = new URLSearchParams(exchange.query);
  const n = parsePageSize(query.get("n"), services.rules.pageEntriesMax);
  const before = parseTime(query.get("last"));
  const { items, next } = await listingTurns.within(exchange.client, exchange.untilGone(), () =>
    tagHistory(services, permit, tag, { n, before }),
  );
  const link = next === undefined ? [] : [nextLink(exchange, { n: String(n), last: timeOf(next) })];
  const body = { name: exchange.requestedName, tag, entries: items.map(entryJson) };
  exchange.send(200, [json, ...link], JSON.stringify(body));
}

export async function getRemovedTags(
  { services, listingTurns }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): Promise<void> {
  const query = new URLSearchParams(exchange.query);
  const n = parsePageSize(query.get("n"), Math.min(removedTagsMax, services.rules.pageEntriesMax));
  const after = query.get("last") ?? "";
  const signal = exchange.untilGone();
  const { items, next } = await listingTurns.within(exchange.client, signal, () =>
    removedTags(services, permit, { n, after }, signal),
  );
  const link = next === undefined ? [] : [nextLink(exchange, { n: String(n), last: next.tag })];
  const tags = items.map(({ tag, last }) => ({ tag, last: entryJson(last) }));
  exchange.send(200, [json, ...link], JSON.stringify({ name: exchange.requestedName, tags }));
}

export async function postRollback(
  { services, onEvent }: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const digest = digestIn(exchange);
  const precondition = preconditionOf(exchange);
  const { manifest } = await rollBack(services, permit, { tag, digest, precondition });
  exchange.send(201, [
    exchange.location(`/v2/${permit.name}/manifests/${digest}`),
    ["Docker-Content-Digest", digest],
    ["ETag", etagOf(digest)],
    ["OCI-Tag", tag],
  ]);
  onEvent?.(exchange, { action: "push", manifest, tag });
}

function timeOf({ at }: HistoryEntry): string {
  return new Date(at).toISOString();
}

/** Parses the time of an entry. Throws `page-invalid`. */
function parseTime(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new RegistryError("page-invalid", "last must be the time of an entry of the page before", {
    last: text.slice(0, 32),
  });
}
