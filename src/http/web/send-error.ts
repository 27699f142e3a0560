/** Sends errors of pages: as a page, or as a redirect to the login if that may help. */
import type { HttpContext } from "../context.js";
import type { RenderedError } from "../errors.js";
import type { Exchange, Headers } from "../exchange.js";
import { loginUrl } from "./local-target.js";
import { readMethods } from "./page-requests.js";
import { redirect } from "./redirect.js";

/** `headers` are those of the error without its type and challenge. */
export async function sendErrorPage(
  context: HttpContext,
  exchange: Exchange,
  error: RenderedError,
  headers: Headers,
): Promise<void> {
  if (error.status === 401 && readMethods.has(exchange.method) && context.web?.sessions.canLogIn === true) {
    redirect(exchange, loginUrl(exchange));
    return;
  }
  const [{ sendPage }, { ErrorPage }] = await loadErrorPage();
  await sendPage(exchange, error.status, ErrorPage({ context, exchange, error }), headers);
}

export function loadErrorPage() {
  return Promise.all([import("./send-page.js"), import("./error-page.js")]);
}
