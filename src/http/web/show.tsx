/** Small parts of pages: sizes, times, digests, paths and addresses. */

import { algorithmOf, type Digest, encodedOf, shortDigits } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { count, formatBytes } from "../../lib/format.js";

export function repositoryUrl(name: RepositoryName): string {
  return `/ui/r/${name}/_tags`;
}

/** `reference` is a tag or digest. */
export function imageUrl(name: RepositoryName, reference: string): string {
  return `/ui/r/${name}/_image/${reference}`;
}

export function historyUrl(name: RepositoryName, tag: string): string {
  return `/ui/r/${name}/_history/${tag}`;
}

/** Returns the address of the repositories below a namespace; `""` is the root. */
export function namespaceUrl(path: string): string {
  return path === "" ? "/ui/" : `/ui/?${new URLSearchParams({ in: path })}`;
}

/** A size, or an ellipsis for one that is not known yet. */
export function Bytes({ bytes }: { readonly bytes: number | undefined }) {
  return bytes === undefined ? <Pending /> : <span title={`${bytes} bytes`}>{formatBytes(bytes)}</span>;
}

/** Stands for something that is still computed. */
export function Pending() {
  return (
    <span class="dim">
      <span aria-hidden="true">…</span>
      <span class="hidden">not known yet</span>
    </span>
  );
}

/** A time in milliseconds since the epoch, as people say it. */
export function When({ at, now = Date.now() }: { readonly at: number; readonly now?: number }) {
  const iso = new Date(at).toISOString();
  return (
    <time datetime={iso} title={`${iso.slice(0, 19).replace("T", " ")} UTC`}>
      {relative(at, now)}
    </time>
  );
}

/** Each with the least number of it that is shown, so that rounding hides little: 90 days, not 3 months. */
const units = [
  ["year", 365 * 86_400, 2],
  ["month", 30 * 86_400, 4],
  ["day", 86_400, 2],
  ["hour", 3600, 2],
  ["minute", 60, 1],
] as const;

/** Such as `3 days ago` or `in 2 hours`. `Intl.RelativeTimeFormat` would take 15 ms of the start. */
export function relative(at: number, now: number): string {
  const seconds = (at - now) / 1000;
  const found = units.find(([, length, least]) => Math.round(Math.abs(seconds) / length) >= least);
  if (found === undefined) return seconds > 0 ? "in a moment" : "just now";
  const [unit, length] = found;
  const amount = count(Math.round(Math.abs(seconds) / length), unit);
  return seconds > 0 ? `in ${amount}` : `${amount} ago`;
}

export function ShortDigest({ digest }: { readonly digest: Digest }) {
  return <code title={digest}>{`${algorithmOf(digest)}:${encodedOf(digest).slice(0, shortDigits)}`}</code>;
}

/** Of a long path, the first and the last namespaces are shown: each address contains all before it. */
const firstCrumbs = 2;
const lastCrumbs = 8;

/** The way to a namespace, or to a repository, whose last component leads to its tags. Leaves out the middle of long paths. */
export function Crumbs({ namespace = "", repository }: CrumbsProps) {
  const components = (repository ?? namespace).split("/");
  return (
    <nav class="crumbs" aria-label="Path">
      <a href="/ui/">Repositories</a>
      {components.map((component, index) => {
        const isSkipped = index >= firstCrumbs && index < components.length - lastCrumbs;
        if (isSkipped) return index === firstCrumbs ? <span> / …</span> : null;
        const isRepository = repository !== undefined && index === components.length - 1;
        const url = isRepository
          ? repositoryUrl(repository)
          : namespaceUrl(components.slice(0, index + 1).join("/"));
        return (
          <>
            <span aria-hidden="true"> / </span>
            <a href={url}>{component}</a>
          </>
        );
      })}
    </nav>
  );
}

interface CrumbsProps {
  readonly namespace?: string;
  readonly repository?: RepositoryName;
}
