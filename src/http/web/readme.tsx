/** A README that the worker has rendered without anything harmful. */
import { NumberedPages } from "./paging.js";

export function Readme({ parts, part }: { readonly parts: readonly string[]; readonly part: number }) {
  if (parts.length === 0) return null;
  const shown = part >= 1 && part <= parts.length ? part : 1;
  return (
    <>
      <h2>README</h2>
      {/* markdown-it without raw HTML has escaped what the README says. */}
      <div class="readme" dangerouslySetInnerHTML={{ __html: parts[shown - 1] ?? "" }} />
      <NumberedPages
        label="Parts of the README"
        unit="Part"
        page={shown}
        pages={parts.length}
        url={(number) => `?readme=${number}`}
      />
    </>
  );
}
