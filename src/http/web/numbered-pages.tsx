/** Leads through the pages of a list. */
export function NumberedPages({
  page,
  pages,
  url,
}: {
  /** From 1 on. */
  readonly page: number;
  readonly pages: number;
  readonly url: (page: number) => string;
}) {
  if (pages <= 1) return null;
  return (
    <nav class="row" aria-label="Pages">
      {page > 1 && (
        <a class="button" rel="prev" href={url(page - 1)}>
          Previous
        </a>
      )}
      <span>
        Page {page} of {pages}
      </span>
      {page < pages && (
        <a class="button" rel="next" href={url(page + 1)}>
          Next
        </a>
      )}
    </nav>
  );
}
