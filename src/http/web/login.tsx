/** Logging in with name and password, and logging out. */
import type { LoginPermit, PagePermit } from "../../auth/gate.js";
import type { Identity } from "../../auth/identity.js";
import { RegistryError } from "../../domain/errors.js";
import type { HttpContext, Login } from "../context.js";
import type { Exchange } from "../exchange.js";
import { FormToken, Layout } from "./layout.js";
import { localTarget } from "./local-target.js";
import { isHttps } from "./own-origin.js";
import { redirect } from "./redirect.js";
import { sendOn } from "./send-on.js";
import { sendPage } from "./send-page.js";
import { type LoginWays, webOf } from "./web.js";

/** A longer name is not shown again. */
const nameCharactersMax = 256;

/** What the visitor has entered. */
interface Entered {
  readonly target: string;
  readonly user?: string;
  /** Why that did not work. */
  readonly message?: string;
}

export async function getLogin(context: HttpContext, exchange: Exchange, _: PagePermit): Promise<void> {
  const query = new URLSearchParams(exchange.query);
  const target = localTarget(query.get("to"));
  const { sessions } = webOf(context);
  if (!sessions.canLogIn || sessions.isLoggedIn(exchange)) redirect(exchange, target);
  else if (!query.has("here") && mayComeFromElsewhere(exchange))
    await sendOn(context, exchange, `/ui/login?${new URLSearchParams({ here: "", to: target })}`);
  else await sendLogin(context, exchange, 200, { target });
}

/**
 * Whether another site may have led here, so that the browser has not sent the session. A page of ours that leads on makes it
 * send the session. Browsers do not say where they come from over plain HTTP.
 */
function mayComeFromElsewhere(exchange: Exchange): boolean {
  const site = exchange.header("sec-fetch-site");
  return site === "" ? exchange.header("cookie") === "" : site === "cross-site" || site === "same-site";
}

export async function postLogin(
  context: HttpContext,
  exchange: Exchange,
  _: LoginPermit,
  form: URLSearchParams,
): Promise<void> {
  const target = localTarget(form.get("to"));
  const user = form.get("user") ?? "";
  const identity = await identityOf(loginOf(context), user, form.get("password") ?? "", exchange);
  if (identity === undefined) {
    const message = "Wrong name or password.";
    await sendLogin(context, exchange, 401, { target, user, message });
    return;
  }
  webOf(context).sessions.logIn(exchange, identity);
  redirect(exchange, target);
}

export async function postLogout(context: HttpContext, exchange: Exchange, _: LoginPermit): Promise<void> {
  // Other nodes that cannot be reached accept a copy of the cookie until it expires.
  await webOf(context).sessions.logOut(exchange).catch(context.services.onBackgroundError);
  redirect(exchange, "/");
}

/** Resolves with `undefined` for wrong credentials. */
async function identityOf(
  { authenticator }: Login,
  user: string,
  password: string,
  { incoming }: Exchange,
): Promise<Identity | undefined> {
  try {
    return await authenticator.byPassword(user, password, incoming.peer.address);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === "unauthorized") return undefined;
    throw error;
  }
}

function loginOf({ login }: HttpContext): Login {
  if (login === undefined)
    throw new RegistryError("path-unknown", "this registry has no logins (settings under auth)");
  return login;
}

export async function sendLogin(
  context: HttpContext,
  exchange: Exchange,
  status: number,
  { target, user = "", message }: Entered,
): Promise<void> {
  const { logins, publicOrigin } = webOf(context);
  const oidc = context.login?.oidc;
  await sendPage(
    exchange,
    status,
    <Layout context={context} exchange={exchange} title="Log in">
      <h1>Log in</h1>
      {message !== undefined && (
        <p class="bad" role="alert">
          {message}
        </p>
      )}
      {oidc !== undefined && (
        <p>
          <a class="button main" href={`/ui/oidc/login?${new URLSearchParams({ to: target })}`}>
            Log in with {oidc.label}
          </a>
        </p>
      )}
      <Ways logins={logins} isElsewhere={oidc !== undefined} />
      <form class="box" method="post" action="/ui/login">
        <FormToken context={context} exchange={exchange} />
        <input type="hidden" name="to" value={target} />
        <p class="field">
          <label for="user">Name</label>
          <input
            id="user"
            name="user"
            autocomplete="username"
            autocapitalize="none"
            required
            autofocus
            maxlength={nameCharactersMax}
            value={user.slice(0, nameCharactersMax)}
          />
        </p>
        <p class="field">
          <label for="password">Password or robot key</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </p>
        <button class="main" type="submit">
          Log in
        </button>
      </form>
      {!isHttps(exchange, publicOrigin) && !isOnThisMachine(exchange) && (
        <p class="note">This connection is not encrypted: others in the network can read your password.</p>
      )}
    </Layout>,
  );
}

function Ways({
  logins: { users, outside },
  isElsewhere,
}: {
  readonly logins: LoginWays;
  readonly isElsewhere: boolean;
}) {
  if (users) return isElsewhere ? <p>Or with a password of this registry:</p> : null;
  if (outside === undefined || isElsewhere) return <p>Robots log in with their keys.</p>;
  return (
    <p>
      The users of this registry are known to another server, <code>{outside}</code>, so their passwords do
      not work here. Robots of this registry log in with their keys.
    </p>
  );
}

function isOnThisMachine({ incoming }: Exchange): boolean {
  return /^(?:127\.|::1$)/.test(incoming.peer.address);
}
