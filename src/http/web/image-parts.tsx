/** Parts of the pages of images and artifacts. All texts are untrusted and bounded. */
import type { Child } from "hono/jsx";
import type { Problem } from "../../browse/content/content-protocol.js";
import type { NamedText, Some } from "../../domain/bounded.js";
import type { Digest } from "../../domain/digest.js";
import { fitItems, fitLine, htmlBytes } from "./fit.js";
import { ShortDigest, When } from "./show.js";

/** A row of `<dl class="facts">`. */
export function Fact({ name, children }: { readonly name: string; readonly children?: Child }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** A link to another manifest of this repository, from the page of an image. `of` is the index that leads there. */
export function DigestLink({ digest, of }: { readonly digest: Digest; readonly of?: string }) {
  // Without `./`, the algorithm would be a scheme.
  return (
    <a href={`./${digest}${of === undefined ? "" : `?of=${of}`}`}>
      <ShortDigest digest={digest} />
    </a>
  );
}

const problems: Readonly<Record<Problem, string>> = {
  missing: "is not stored in this repository",
  damaged: "is damaged: its bytes do not have its digest",
  "too-large": "is too large to be shown here",
  "not-understood": "is not in a form that this page understands",
  "too-slow": "is too complicated to be shown here",
  failed: "could not be read; try again in a moment",
};

/** `what` is the subject of the sentence, such as `The config`. */
export function ProblemNote({ what, problem }: { readonly what: string; readonly problem: Problem }) {
  return (
    <p class="note">
      {what} {problems[problem]}.
    </p>
  );
}

/** Years that a calendar can show. */
const lastTime = Date.UTC(9999, 11, 31);

/** Times that builds write for the same bytes each time: the first of the year 1, and of 1970, which Nix moves by a second. */
const unsetTimes: ReadonlySet<number> = new Set([Date.parse("0001-01-01T00:00:00Z"), 0, 1000]);

/** A time in content: RFC 3339, or whatever else is there. */
export function Time({ text }: { readonly text: string }) {
  const at = Date.parse(text);
  if (unsetTimes.has(at)) return <span class="dim">not set (reproducible build)</span>;
  return Number.isFinite(at) && at >= 0 && at < lastTime ? (
    <When at={at} />
  ) : (
    <span>{fitLine(text, 100)}</span>
  );
}

const urlCharactersMax = 300;

/** Text that is a link if it is an address of the web. */
export function TextOrLink({ text, bytesMax }: { readonly text: string; readonly bytesMax: number }) {
  const url = webAddress(text);
  if (url === undefined) return <>{fitLine(text, bytesMax)}</>;
  return (
    <a href={url} rel="nofollow noopener noreferrer">
      {fitLine(text, bytesMax)}
    </a>
  );
}

function webAddress(text: string): string | undefined {
  if (text.length > urlCharactersMax || !/^https?:\/\/[\x21-\x7e]+$/.test(text)) return undefined;
  try {
    return new URL(text).href;
  } catch {
    return undefined;
  }
}

const rowBytes = 40;
const nameBytesMax = 160;
const textBytesMax = 500;

/** Named texts as facts, as many as fit. */
export function NamedTexts({
  texts,
  bytesMax,
}: {
  readonly texts: Some<NamedText>;
  readonly bytesMax: number;
}) {
  const cost = ([name, text]: NamedText) =>
    rowBytes +
    Math.min(nameBytesMax, htmlBytes(name)) +
    Math.min(textBytesMax, htmlBytes(text)) * (webAddress(text) === undefined ? 1 : 2);
  const items = fitItems(texts.items, bytesMax, cost);
  return (
    <>
      <dl class="facts">
        {items.map(([name, text]) => (
          <>
            <dt>{fitLine(name, nameBytesMax)}</dt>
            <dd>
              <TextOrLink text={text} bytesMax={textBytesMax} />
            </dd>
          </>
        ))}
      </dl>
      <More shown={items.length} total={texts.total} />
    </>
  );
}

/** Texts one below the other, as many as fit. */
export function Lines({ texts, bytesMax }: { readonly texts: Some<string>; readonly bytesMax: number }) {
  const cost = (text: string) => rowBytes + Math.min(textBytesMax, htmlBytes(text));
  const items = fitItems(texts.items, bytesMax, cost);
  return (
    <>
      <ul class="plain">
        {items.map((text) => (
          <li>
            <code>{fitLine(text, textBytesMax)}</code>
          </li>
        ))}
      </ul>
      <More shown={items.length} total={texts.total} />
    </>
  );
}

/** Says that a list has more than it shows. */
export function More({ shown, total }: { readonly shown: number; readonly total: number }) {
  return total > shown ? <p class="note">and {total - shown} more</p> : null;
}

const annotationsBytesMax = 3_000;

export function Annotations({ of }: { readonly of: Some<NamedText> }) {
  if (of.total === 0) return null;
  return (
    <>
      <h2>Annotations</h2>
      <NamedTexts texts={of} bytesMax={annotationsBytesMax} />
    </>
  );
}
