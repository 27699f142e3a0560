/** The page to which a login leads. It is in the address, which others can write. */
import type { Exchange } from "../exchange.js";
import { isPagePath } from "./page-requests.js";

/** No page has a longer address. */
const charactersMax = 2048;

/** Only for parsing; no browser sees it. */
const base = "http://local.invalid";

const start = "/ui/";

/** Returns the path and query of a page of this server, by default that of the repositories. */
export function localTarget(text: string | null): string {
  if (!text || text.length > charactersMax || !URL.canParse(text, base)) return start;
  const { origin, pathname, search } = new URL(text, base);
  // After a login, the login would only be shown again.
  const isLogin = /^\/ui\/(?:login|logout|oidc)(?:\/|$)/.test(pathname);
  return origin === base && isPagePath(pathname) && !isLogin ? `${pathname}${search}` : start;
}

/** Returns the login's address, from which the visitor comes back to the requested page. */
export function loginUrl({ path, query }: Pick<Exchange, "path" | "query">): string {
  const target = localTarget(query === "" ? path : `${path}?${query}`);
  return target === start ? "/ui/login" : `/ui/login?${new URLSearchParams({ to: target })}`;
}
