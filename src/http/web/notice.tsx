/**
 * Says on the next page what a form has done. The address names one text of a closed set, with a mark of the visitor's session:
 * nobody else's link says that something was done.
 */
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import type { LayoutProps } from "./layout.js";
import { webOf } from "./web.js";

const texts = {
  deleted: "Deleted:",
  "rolled-back": "The tag was rolled back.",
  revoked: "The robot was revoked.",
  "none-selected": "Select the tags to delete first.",
} as const;

const parameters = { notice: "notice", of: "of", mark: "mark" } as const;

/** `path` is that of a page with a `Notice`. `of` names what the form was about, after the text. */
export function withNotice(
  context: HttpContext,
  exchange: Exchange,
  path: string,
  notice: keyof typeof texts,
  of = "",
): string {
  const mark = webOf(context).sessions.markOf(exchange, `${notice} ${path} ${of}`);
  return `${path}?${new URLSearchParams({
    [parameters.notice]: notice,
    ...(of !== "" && { [parameters.of]: of }),
    [parameters.mark]: mark,
  })}`;
}

export function Notice({ context, exchange }: Pick<LayoutProps, "context" | "exchange">) {
  const query = new URLSearchParams(exchange.query);
  const wanted = query.get(parameters.notice);
  const [notice, text] = Object.entries(texts).find(([notice]) => notice === wanted) ?? [];
  const mark = query.get(parameters.mark) ?? "";
  const of = query.get(parameters.of) ?? "";
  const marked = `${notice} ${exchange.path} ${of}`;
  if (notice === undefined || !webOf(context).sessions.hasMark(exchange, marked, mark)) return null;
  return (
    <p class="box" role="status">
      {text}
      {of !== "" && ` ${of}`}
      {notice === "deleted" && (
        <>
          {". "}
          <a href="_removed">Removed tags</a>
        </>
      )}
    </p>
  );
}
