/** Deletes tags, after a page that says what will be removed. */
import type { Child } from "hono/jsx";
import type { DeletePermit } from "../../auth/gate.js";
import { deletedTagsMax } from "../../browse/deletion-previews.js";
import { isDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { count } from "../../lib/format.js";
import { deleteTags } from "../../registry/delete-tags.js";
import type { LostPreview, PreviewedTag } from "../../registry/deletion-preview.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Confirm } from "./confirm.js";
import { FateText } from "./fate.js";
import { Layout } from "./layout.js";
import { withNotice } from "./notice.js";
import { pageDeadline } from "./page-deadline.js";
import { redirect } from "./redirect.js";
import { sendPage } from "./send-page.js";
import { Bytes, Crumbs, repositoryUrl, ShortDigest } from "./show.js";
import { webOf } from "./web.js";

/** Manifests that are named. With an index of ten platforms, more say nothing. */
const manifestsShownMax = 30;

/**
 * Asks for confirmation. The page does not follow changes: a tag that moves while the visitor reads is not deleted. It is
 * loaded again only until all parts are known, and then the form keeps the digests that were shown first.
 */
export async function getDeletionPage(
  context: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
): Promise<void> {
  const { name } = permit;
  if (!new URLSearchParams(exchange.query).has("tag")) {
    redirect(exchange, withNotice(context, exchange, repositoryUrl(name), "none-selected"));
    return;
  }
  const tags = tagsIn(exchange);
  const { deletions } = webOf(context).browse;
  const found = await deletions.get(permit, tags, pageDeadline(exchange), exchange.client);
  const removed = found.tags.filter(({ refusal }) => refusal === undefined);
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`Delete tags of ${name}`} pending={!found.complete}>
      <Crumbs repository={name} />
      <h1>
        {removed.length > 0
          ? `Delete ${count(removed.length, "tag")}?`
          : found.complete
            ? "Nothing to delete"
            : "Delete tags?"}
      </h1>
      {found.tags.length === 0 && <p>The tags are being read.</p>}
      <TagList tags={found.tags} />
      {removed.length > 0 && (
        <>
          <Lost
            preview={found.after}
            tags={removed.length}
            isComplete={found.complete}
            isSized={context.gate.mayReadMetrics(permit.identity)}
          />
          <Confirmation context={context} exchange={exchange} name={name} removed={removed} />
        </>
      )}
      {removed.length === 0 && (
        <p>
          <a href={repositoryUrl(name)}>Back to {name}</a>
        </p>
      )}
    </Layout>,
  );
}

/** Returns the tags in the query. Throws `tag-invalid`, or `request-invalid` for none or too many. */
function tagsIn({ query }: Exchange): Tag[] {
  const tags = [...new Set(new URLSearchParams(query).getAll("tag"))].map(parseTag);
  if (tags.length === 0)
    throw new RegistryError("request-invalid", "no tag is selected: go back and select the tags to delete");
  if (tags.length > deletedTagsMax)
    throw new RegistryError("request-invalid", `at most ${deletedTagsMax} tags can be deleted at once here`);
  return tags;
}

const refusals: Readonly<Record<NonNullable<PreviewedTag["refusal"]>, Child>> = {
  immutable: "immutable: it is not deleted",
  missing: "there is no such tag",
  "delete-disabled": (
    <>
      not deleted: deletion is disabled (setting <code>storage.delete.enabled</code>)
    </>
  ),
};

function TagList({ tags }: { readonly tags: readonly PreviewedTag[] }) {
  return (
    <ul class="plain">
      {tags.map(({ tag, digest, refusal }) => (
        <li>
          <strong>{tag}</strong> {digest !== undefined && <ShortDigest digest={digest} />}
          {refusal !== undefined && <span class="warn"> {refusals[refusal]}</span>}
        </li>
      ))}
    </ul>
  );
}

function Lost({
  preview,
  tags,
  isComplete,
  isSized,
}: {
  readonly preview: LostPreview | undefined;
  /** How many tags are removed. */
  readonly tags: number;
  readonly isComplete: boolean;
  /** Whether to say what is freed. That depends on other repositories, and so reveals whether one of them has a blob. */
  readonly isSized: boolean;
}) {
  if (preview === undefined)
    return <p class="note">{isComplete ? "" : "What else this will remove is being computed."}</p>;
  const { fate, lost } = preview;
  return (
    <section class="box">
      <h2>What will be removed</h2>
      <p>
        {tags === 1
          ? "The tag is removed at once. Its history stays: you can restore it while its image exists."
          : "The tags are removed at once. Their history stays: you can restore them while their images exist."}
      </p>
      {lost !== undefined && lost.manifestCount === 0 && (
        <p>No image is removed: something else still uses {tags === 1 ? "it" : "each of them"}.</p>
      )}
      {lost !== undefined && lost.manifestCount > 0 && (
        <>
          <p>
            After that, {count(lost.manifestCount, "manifest")} and {count(lost.blobCount, "blob")} are unused
            {isSized && (
              <>
                {" "}
                (<Bytes bytes={lost.bytes} /> that nothing else shares)
              </>
            )}
            :
          </p>
          <ul>
            {lost.manifests.slice(0, manifestsShownMax).map(({ digest, because }) => (
              <li>
                <ShortDigest digest={digest} />{" "}
                {because === "tag"
                  ? ""
                  : because === "part"
                    ? "(part of an index)"
                    : "(refers to one of them)"}
              </li>
            ))}
            {lost.manifestCount > manifestsShownMax && (
              <li>and {lost.manifestCount - manifestsShownMax} more</li>
            )}
          </ul>
        </>
      )}
      {lost === undefined && fate.kind !== "evicted" && (
        <p>The repository has too many manifests to list here which of them are unused after that.</p>
      )}
      {(lost === undefined || lost.manifestCount > 0) && (
        <p>
          <FateText fate={fate} of="them" />
        </p>
      )}
    </section>
  );
}

interface ConfirmationProps {
  readonly context: HttpContext;
  readonly exchange: Exchange;
  readonly name: RepositoryName;
  readonly removed: readonly PreviewedTag[];
}

/** The form names the digests that the visitor saw: a tag that moves meanwhile stays. */
function Confirmation({ context, exchange, name, removed }: ConfirmationProps) {
  const query = new URLSearchParams(removed.map(({ tag }): [string, string] => ["tag", tag]));
  return (
    <Confirm
      context={context}
      exchange={exchange}
      action={`_delete?${query}`}
      fields={removed.map(({ tag, digest }) => [fieldOf(tag), digest ?? ""])}
      label={`Delete ${count(removed.length, "tag")}`}
      isDestructive
      cancel={repositoryUrl(name)}
    />
  );
}

/** The field with the digest that the visitor saw. */
function fieldOf(tag: Tag): string {
  return `digest of ${tag}`;
}

/** Deletes the tags. Deletes none if one of them had moved before the first deletion. */
export async function postDeletion(
  context: HttpContext,
  exchange: Exchange,
  permit: DeletePermit,
  form: URLSearchParams,
): Promise<void> {
  const seen = new Map(
    tagsIn(exchange).map((tag) => {
      const digest = form.get(fieldOf(tag)) ?? "";
      return [tag, isDigest(digest) ? digest : undefined] as const;
    }),
  );
  for await (const event of deleteTags(context.services, permit, seen)) context.onEvent?.(exchange, event);
  const names = shortList([...seen.keys()]);
  redirect(exchange, withNotice(context, exchange, repositoryUrl(permit.name), "deleted", names));
}

const namedMax = 3;

/** Such as `v1, v2 and 3 more`. */
function shortList(tags: readonly Tag[]): string {
  if (tags.length <= namedMax) return tags.join(", ");
  const named = tags.slice(0, namedMax - 1);
  return `${named.join(", ")} and ${tags.length - named.length} more`;
}
