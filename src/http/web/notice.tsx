/** Says on the next page what a form has done. The address names one text of a closed set, so no link puts other words here. */
import type { Exchange } from "../exchange.js";

const texts = {
  deleted: "The selected tags were deleted.",
  "rolled-back": "The tag was rolled back.",
  revoked: "The robot was revoked.",
  "none-selected": "Select the tags to delete first.",
} as const;

const parameter = "notice";

/** `path` is that of a page with a `Notice`. */
export function withNotice(path: string, notice: keyof typeof texts): string {
  return `${path}?${new URLSearchParams({ [parameter]: notice })}`;
}

export function Notice({ exchange }: { readonly exchange: Exchange }) {
  const wanted = new URLSearchParams(exchange.query).get(parameter);
  const [, text] = Object.entries(texts).find(([notice]) => notice === wanted) ?? [];
  if (text === undefined) return null;
  return (
    <p class="box" role="status">
      {text}
    </p>
  );
}
