// Visits every page that links lead to, as a person could who clicks everything.

import type { Visit } from "../support/browser.js";

export interface CrawlOptions {
  /** Where to begin. */
  readonly from: readonly string[];
  /** Maximum number of pages of one kind: the same path, but for names and references. */
  readonly perKind?: number;
  /** Called on each page when it is complete. */
  readonly onPage: (path: string, kind: string) => Promise<void>;
}

/** The kinds of pages differ by their fixed parts. */
export function kindOf(path: string): string {
  const { pathname, searchParams } = new URL(path, "http://localhost");
  const fixed = pathname.replace(/^\/ui\/r\/.+?\/(_\w+)(?:\/[^/]+)?$/, "/ui/r/<name>/$1");
  return [fixed, ...new Set(searchParams.keys())].join(" ");
}

/** Resolves with the number of visited pages by kind. Follows no forms. */
export async function crawl(
  visit: Visit,
  { from, perKind = 20, onPage }: CrawlOptions,
): Promise<Map<string, number>> {
  const { page } = visit;
  const kinds = new Map<string, number>();
  const seen = new Set<string>();
  const queue = [...from];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const kind = kindOf(path);
    const count = kinds.get(kind) ?? 0;
    if (seen.has(path) || count >= perKind) continue;
    seen.add(path);
    kinds.set(kind, count + 1);
    await page.goto(path);
    await whole(visit).catch((cause: unknown) => {
      throw new Error(`${path} stays incomplete`, { cause });
    });
    await onPage(path, kind);
    queue.push(...(await linksOf(visit)));
  }
  return kinds;
}

/** Waits until nothing on the page is pending. */
export async function whole({ page }: Pick<Visit, "page">): Promise<void> {
  await page.locator("main:not([data-pending])").waitFor();
}

/** Returns the links to other pages of this server, without those that download. */
async function linksOf({ page }: Visit): Promise<string[]> {
  const links = await page.evaluate<string[]>(
    `Array.from(document.querySelectorAll("a[href]:not([download])"), (link) => link.href)
      .filter((href) => href.startsWith(location.origin + "/"))
      .map((href) => href.slice(location.origin.length).replace(/#.*/, ""))`,
  );
  return links.filter((path) => path === "/" || path.startsWith("/ui"));
}
