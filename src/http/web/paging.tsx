/** Links to the other parts of a list that is too long for one page. */
import type { Child } from "hono/jsx";

interface PagingProps {
  /** What the links lead through, for screen readers. */
  readonly label: string;
  /** Addresses. An absent one has no link. */
  readonly first?: string | undefined;
  readonly previous?: string | undefined;
  readonly next?: string | undefined;
  /** Which part is shown. */
  readonly children?: Child;
}

/** Shows nothing if there is only one part. */
export function Paging({ label, first, previous, next, children }: PagingProps) {
  if ((first ?? previous ?? next) === undefined) return null;
  return (
    <nav class="row" aria-label={label}>
      <PageLink rel="first" url={first} text="First" />
      <PageLink rel="prev" url={previous} text="Previous" />
      {children !== undefined && <span>{children}</span>}
      <PageLink rel="next" url={next} text="Next" />
    </nav>
  );
}

interface PageLinkProps {
  readonly rel: string;
  readonly url: string | undefined;
  readonly text: string;
}

function PageLink({ rel, url, text }: PageLinkProps) {
  if (url === undefined) return null;
  return (
    <a class="button" rel={rel} href={url}>
      {text}
    </a>
  );
}

/** Links to the pages of a list by their numbers, from 1 on. */
export function NumberedPages({ label = "Pages", unit = "Page", page, pages, url }: NumberedPagesProps) {
  if (pages <= 1) return null;
  return (
    <Paging
      label={label}
      previous={page > 1 ? url(page - 1) : undefined}
      next={page < pages ? url(page + 1) : undefined}
    >
      {unit} {page} of {pages}
    </Paging>
  );
}

interface NumberedPagesProps {
  readonly label?: string;
  /** What a part is called. */
  readonly unit?: string;
  readonly page: number;
  readonly pages: number;
  readonly url: (page: number) => string;
}

/** Links to the rows of a list of which as many are shown as fit, so that a page does not know where the one before it begins. */
export function RowPages({ what, first, end, known, parameter = "from" }: RowPagesProps) {
  const url = (row: number) => `?${parameter}=${row}`;
  return (
    <Paging
      label={`More ${what}`}
      first={first > 0 ? url(0) : undefined}
      next={end < known ? url(end) : undefined}
    >
      {first + 1} to {end} of {known}
    </Paging>
  );
}

interface RowPagesProps {
  readonly what: string;
  /** The first row that is shown, from 0 on, and the one after the last. */
  readonly first: number;
  readonly end: number;
  /** Rows of the list. */
  readonly known: number;
  /** The parameter with the number of the first row. */
  readonly parameter?: string;
}
