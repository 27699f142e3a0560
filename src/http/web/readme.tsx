/** A README that the worker has rendered without anything harmful. */
export function Readme({ parts, part }: { readonly parts: readonly string[]; readonly part: number }) {
  if (parts.length === 0) return null;
  const shown = part >= 1 && part <= parts.length ? part : 1;
  return (
    <>
      <h2>README</h2>
      {/* markdown-it without raw HTML has escaped what the README says. */}
      <div class="readme" dangerouslySetInnerHTML={{ __html: parts[shown - 1] ?? "" }} />
      {parts.length > 1 && (
        <nav class="row" aria-label="Parts of the README">
          {shown > 1 && (
            <a class="button" rel="prev" href={`?readme=${shown - 1}`}>
              Previous part
            </a>
          )}
          <span>
            Part {shown} of {parts.length}
          </span>
          {shown < parts.length && (
            <a class="button" rel="next" href={`?readme=${shown + 1}`}>
              Next part
            </a>
          )}
        </nav>
      )}
    </>
  );
}
