/** Which requests are for pages. */

/** Methods with which browsers load pages. */
export const readMethods: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Whether pages are at this path, so that its errors are pages, too. */
export function isPagePath(path: string): boolean {
  return path === "/" || path === "/ui" || path.startsWith("/ui/");
}
