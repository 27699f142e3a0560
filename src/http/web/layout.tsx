/** The frame of every page: head, navigation, search and the visitor. */
import type { Child } from "hono/jsx";
import type { Identity } from "../../auth/identity.js";
import { packageVersion } from "../../lib/package-version.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { tokenField } from "./forms.js";
import { loginUrl } from "./local-target.js";
import { webOf } from "./web.js";

export interface LayoutProps {
  readonly context: HttpContext;
  readonly exchange: Exchange;
  /** The title of the page, without the registry's. */
  readonly title: string;
  /** The changes that make the script load the page again: of one repository, or `*` for all. Absent for none. */
  readonly live?: string | undefined;
  /** Whether parts of the page are not known yet, so that it is loaded again soon. */
  readonly pending?: boolean;
  /** The page of this server to which this one leads by itself. */
  readonly next?: string;
  readonly children?: Child;
}

/** Seconds after which a browser without scripts loads an incomplete page again. */
const reloadSeconds = 2;

export function Layout({ context, exchange, title, live, pending = false, next, children }: LayoutProps) {
  const { assets, live: updates } = webOf(context);
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title === "" ? "Gantry" : `${title} · Gantry`}</title>
        <link rel="icon" type="image/svg+xml" href={assets.url("icon")} />
        <link rel="stylesheet" href={assets.url("style")} />
        {next !== undefined && <meta http-equiv="refresh" content={`0; url=${next}`} />}
        {/* Not deferred: it sets the theme before anything is drawn. */}
        <script src={assets.url("script")} />
        {pending && (
          <noscript>
            <meta http-equiv="refresh" content={String(reloadSeconds)} />
          </noscript>
        )}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <Header context={context} exchange={exchange} />
        <main
          id="main"
          data-live={live}
          data-at={live === undefined ? undefined : updates.timeOf(exchange)}
          data-pending={pending ? "" : undefined}
          tabindex={-1}
        >
          {pending && !context.services.health.storageAnswers && (
            <p class="box" role="status">
              The storage does not answer at the moment. What is missing here appears when it does.
            </p>
          )}
          {children}
        </main>
        <footer>Gantry {packageVersion}</footer>
      </body>
    </html>
  );
}

function Header({ context, exchange }: Pick<LayoutProps, "context" | "exchange">) {
  const { gate, login } = context;
  const { identity } = exchange;
  const isListing = identity !== undefined && gate.mayList(identity);
  const managesRobots = login !== undefined && identity !== undefined && gate.mayManageRobots(identity);
  const readsMetrics = identity !== undefined && gate.mayReadMetrics(identity);
  return (
    <header>
      <a class="brand" href="/ui/">
        Gantry
      </a>
      {isListing && (
        <>
          <search class="search">
            <form action="/ui/">
              <input
                type="search"
                name="q"
                aria-label="Search repositories"
                placeholder="Search repositories"
                autocomplete="off"
                value={new URLSearchParams(exchange.query).get("q") ?? ""}
              />
            </form>
          </search>
          <nav aria-label="Main">
            <a href="/ui/">Repositories</a>
            {context.upstreams !== undefined && <a href="/ui/upstreams">Upstreams</a>}
            {readsMetrics && <a href="/ui/activity">Activity</a>}
            {managesRobots && <a href="/ui/robots">Robots</a>}
          </nav>
        </>
      )}
      <Visitor context={context} exchange={exchange} identity={exchange.identity} />
    </header>
  );
}

function Visitor({
  context,
  exchange,
  identity,
}: Pick<LayoutProps, "context" | "exchange"> & { readonly identity: Identity | undefined }) {
  const { sessions } = webOf(context);
  const name = identity?.name ?? "";
  if (sessions.isLoggedIn(exchange))
    return (
      <form class="visitor" method="post" action="/ui/logout">
        <FormToken context={context} exchange={exchange} />
        <span>{name}</span>
        <button type="submit">Log out</button>
      </form>
    );
  return (
    <div class="visitor">
      {name !== "" && <span title="From the client certificate">{name}</span>}
      {sessions.canLogIn && <a href={loginUrl(exchange)}>Log in</a>}
    </div>
  );
}

/** The hidden field that every form with method POST needs. */
export function FormToken({ context, exchange }: Pick<LayoutProps, "context" | "exchange">) {
  return <input type="hidden" name={tokenField} value={webOf(context).sessions.formToken(exchange)} />;
}
