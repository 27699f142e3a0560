/** The history of a tag, the tags that were removed, and the way back. */
import type { PullPermit, PushPermit } from "../../auth/gate.js";
import { type Digest, isDigest, parseDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import {
  type HistoryEntry,
  type RemovedTag,
  removedTags,
  rollBack,
  tagHistory,
} from "../../registry/tag-history.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Confirm } from "./confirm.js";
import { Layout } from "./layout.js";
import { Notice, withNotice } from "./notice.js";
import { Paging } from "./paging.js";
import { redirect } from "./redirect.js";
import { sendPage } from "./send-page.js";
import { Crumbs, historyUrl, imageUrl, repositoryUrl, ShortDigest, Untrusted, When } from "./show.js";
import { TableHead } from "./table-head.js";

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
  const { items, next } = await tagHistory(context.services, permit, tag, {
    n: entriesOfPage,
    ...(Number.isFinite(before) && { before }),
  });
  const canPush = context.gate.may(permit.identity, "push", name);
  // The current entry may be on another page.
  const current = await context.services.storage.tags.resolve(name, tag);
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`History of ${name}:${tag}`} live={name}>
      <Crumbs repository={name} />
      <h1>History of {tag}</h1>
      <Notice exchange={exchange} />
      <Entries name={name} tag={tag} entries={items} current={current} canPush={canPush} />
      <Paging label="Earlier entries" next={next && `?before=${next.at}`} />
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
              <Target name={name} entry={entry} />
            </td>
            <td data-label="By">
              <By entry={entry} />
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

function Target({
  name,
  entry: { kind, digest, isAvailable },
}: {
  readonly name: RepositoryName;
  readonly entry: HistoryEntry;
}) {
  if (digest === undefined) return <span class="dim">{kind === "removed" ? "removed" : "unknown"}</span>;
  return (
    <>
      {kind === "removed" && "removed, was "}
      {isAvailable ? (
        <a href={imageUrl(name, digest)}>
          <ShortDigest digest={digest} />
        </a>
      ) : (
        <ShortDigest digest={digest} />
      )}
    </>
  );
}

function By({ entry: { by } }: { readonly entry: HistoryEntry }) {
  return by === undefined ? <span class="dim">unknown</span> : <Untrusted text={by} />;
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

/** Asks for confirmation. */
export async function getRollbackPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const { name } = permit;
  const digest = digestIn(exchange);
  const current = await context.services.storage.tags.resolve(name, tag);
  const action = `?${new URLSearchParams({ digest, from: current ?? "" })}`;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`Roll back ${name}:${tag}`}>
      <Crumbs repository={name} />
      <h1>Roll back {tag}?</h1>
      <dl class="facts">
        <dt>Now</dt>
        <dd>{current === undefined ? "removed" : <ShortDigest digest={current} />}</dd>
        <dt>After</dt>
        <dd>
          <a href={imageUrl(name, digest)}>
            <ShortDigest digest={digest} />
          </a>
        </dd>
      </dl>
      <p>
        You push this image as {tag}. Everyone who pulls {tag} then gets it.
      </p>
      <Confirm
        context={context}
        exchange={exchange}
        action={action}
        label="Roll back"
        cancel={historyUrl(name, tag)}
      />
    </Layout>,
  );
}

/** The tag must still point to what the visitor saw: otherwise the answer is 412. */
export async function postRollback(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  _form: URLSearchParams,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const digest = digestIn(exchange);
  const from = new URLSearchParams(exchange.query).get("from") ?? "";
  const { manifest } = await rollBack(context.services, permit, {
    tag,
    digest,
    precondition: isDigest(from) ? { match: new Set([from]) } : { noneMatch: "anything" },
  });
  redirect(exchange, withNotice(historyUrl(permit.name, tag), "rolled-back"));
  context.onEvent?.(exchange, { action: "push", manifest, tag });
}

function digestIn({ query }: Exchange): Digest {
  const text = new URLSearchParams(query).get("digest");
  if (text === null)
    throw new RegistryError("digest-invalid", "name the digest: ?digest=<digest of the history>");
  return parseDigest(text);
}

/** The tags that were removed and can be had back. */
export async function getRemovedPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): Promise<void> {
  const { name } = permit;
  const after = new URLSearchParams(exchange.query).get("last") ?? "";
  const signal = exchange.untilGone();
  const { items, next } = await context.listingTurns.within(exchange.client, signal, () =>
    removedTags(context.services, permit, { n: entriesOfPage, after }, signal),
  );
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`Removed tags of ${name}`} live={name}>
      <Crumbs repository={name} />
      <h1>Removed tags</h1>
      {items.length === 0 ? (
        <p>
          No tag of <a href={repositoryUrl(name)}>{name}</a> was removed lately.
        </p>
      ) : (
        <Removed name={name} tags={items} />
      )}
      <Paging label="Further tags" next={next && `?${new URLSearchParams({ last: next.tag })}`} />
    </Layout>,
  );
}

function Removed({ name, tags }: { readonly name: RepositoryName; readonly tags: readonly RemovedTag[] }) {
  return (
    <table class="stack">
      <TableHead columns={["Tag", "Removed", "By", "Image"]} />
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
              <By entry={last} />
            </td>
            <td data-label="Image">
              <Target name={name} entry={last} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
