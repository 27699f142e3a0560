/** Points a tag to an earlier image again, after a confirmation. */
import type { PushPermit } from "../../auth/gate.js";
import { isDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { parseTag, type Tag } from "../../domain/reference.js";
import { rollBack } from "../../registry/tag-history.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { digestIn } from "../query.js";
import { Confirm } from "./confirm.js";
import { Layout } from "./layout.js";
import { withNotice } from "./notice.js";
import { pageDeadline } from "./page-deadline.js";
import { redirect } from "./redirect.js";
import { sendPage } from "./send-page.js";
import { Crumbs, historyUrl, imageUrl, Pending, ShortDigest } from "./show.js";
import { webOf } from "./web.js";

/** Asks for confirmation. The page does not follow changes: see `postRollback`. */
export async function getRollbackPage(
  context: HttpContext,
  exchange: Exchange,
  permit: PushPermit,
  last: string,
): Promise<void> {
  const tag = parseTag(last);
  const { name } = permit;
  const digest = digestIn(exchange);
  const asker = { client: exchange.client, deadline: pageDeadline(exchange) };
  const { value: current, complete } = await webOf(context).browse.histories.target(permit, tag, asker);
  const isThere = current?.digest === digest;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`Roll back ${name}:${tag}`} pending={!complete}>
      <Crumbs repository={name} />
      <h1>{isThere ? "Nothing to roll back" : `Roll back ${tag}?`}</h1>
      <dl class="facts">
        <dt>Now</dt>
        <dd>
          {current === undefined ? (
            <Pending />
          ) : current.digest === undefined ? (
            "removed"
          ) : (
            <ShortDigest digest={current.digest} />
          )}
        </dd>
        <dt>After</dt>
        <dd>
          <a href={imageUrl(name, digest)}>
            <ShortDigest digest={digest} />
          </a>
        </dd>
      </dl>
      {isThere ? (
        <p>
          {tag} points to this image already. <a href={historyUrl(name, tag)}>Back to its history</a>
        </p>
      ) : (
        <p>
          You push this image as {tag}. Everyone who pulls {tag} then gets it.
        </p>
      )}
      {current !== undefined && !isThere && (
        <Confirm
          context={context}
          exchange={exchange}
          action={`?${new URLSearchParams({ digest, from: current.digest ?? "" })}`}
          label="Roll back"
          cancel={historyUrl(name, tag)}
        />
      )}
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
  }).catch((error: unknown) => {
    throw error instanceof RegistryError && error.kind === "precondition-failed" ? moved(tag) : error;
  });
  redirect(exchange, withNotice(context, exchange, historyUrl(permit.name, tag), "rolled-back"));
  context.onEvent?.(exchange, { action: "push", manifest, tag });
}

function moved(tag: Tag): RegistryError {
  return new RegistryError(
    "precondition-failed",
    `the tag ${tag} has moved since you saw it, so it was not rolled back`,
  );
}
