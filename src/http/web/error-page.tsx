/** Errors as pages. */
import type { RenderedError } from "../errors.js";
import { Layout, type LayoutProps } from "./layout.js";
import { loginUrl } from "./local-target.js";
import { readMethods } from "./page-requests.js";
import { sentence } from "./sentence.js";

const titles: Readonly<Record<number, string>> = {
  400: "This request is not valid",
  401: "Log in to see this page",
  403: "You may not do this",
  404: "Page not found",
  405: "Not allowed here",
  409: "Conflict with another change",
  412: "This has changed since you loaded the page",
  429: "Too many requests",
  502: "The other server did not answer",
  503: "Not available at the moment",
  504: "The other server did not answer",
  507: "The storage is full",
};

export function ErrorPage({
  context,
  exchange,
  error: { status, message },
}: Pick<LayoutProps, "context" | "exchange"> & { readonly error: RenderedError }) {
  const title = titleOf(status, exchange.method);
  return (
    <Layout context={context} exchange={exchange} title={title}>
      <h1>{title}</h1>
      <p>{sentence(message)}</p>
      {status === 401 && context.web?.sessions.canLogIn === true && (
        <p>
          <a href={loginUrl(exchange)}>Log in and go on</a>
        </p>
      )}
      {status === 412 && (
        <p>
          {/* The page with the form has the same address. */}
          <a href={`${exchange.path}?${exchange.query}`}>Look at it again</a>
        </p>
      )}
      <p class="note">
        HTTP status {status}, request {exchange.id}
      </p>
      <p>
        <a href="/ui/">Go to the start page</a>
      </p>
    </Layout>
  );
}

function titleOf(status: number, method: string): string {
  if (status === 401 && !readMethods.has(method)) return "Log in to do this";
  if (status === 403 && readMethods.has(method)) return "You may not see this";
  return titles[status] ?? "The request failed";
}
