/** Logging in at the login server of people (OpenID Connect). */
import type { LoginPermit, PagePermit } from "../../auth/gate.js";
import type { Identity } from "../../auth/identity.js";
import { RegistryError } from "../../domain/errors.js";
import type { HttpContext, Login, OidcLogin } from "../context.js";
import { renderError } from "../errors.js";
import type { Exchange } from "../exchange.js";
import { originOf } from "../origin.js";
import { localTarget } from "./local-target.js";
import { sendLogin } from "./login.js";
import type { OidcFlows } from "./oidc-flows.js";
import { redirect } from "./redirect.js";
import { sendOn } from "./send-on.js";
import { webOf } from "./web.js";

const callbackPath = "/ui/oidc/callback";

/** Leads to the login server. */
export async function getOidcLogin(context: HttpContext, exchange: Exchange, _: PagePermit): Promise<void> {
  const { oidc, flows } = waysOf(context);
  const target = localTarget(new URLSearchParams(exchange.query).get("to"));
  const origin = originOf(exchange.incoming, webOf(context).publicOrigin);
  if (origin === undefined)
    throw new RegistryError(
      "request-invalid",
      "the login server cannot lead back here, because the address in your browser is not known: set http.host",
    );
  const { url, flow } = await oidc.provider.begin(`${origin}${callbackPath}`);
  flows.begin(exchange, { ...flow, target });
  redirect(exchange, url.href);
}

/** The person comes back from the login server. */
export async function getOidcCallback(
  context: HttpContext,
  exchange: Exchange,
  _: LoginPermit,
): Promise<void> {
  const { login, oidc, flows } = waysOf(context);
  const flow = flows.take(exchange);
  if (flow === undefined) {
    const message = "This login has taken too long, or was begun in another browser. Try again.";
    await sendLogin(context, exchange, 400, { target: localTarget(null), message });
    return;
  }
  let identity: Identity;
  try {
    identity = await finish(login, exchange, () => oidc.provider.finish(flow, exchange.query));
  } catch (error) {
    if (!(error instanceof RegistryError) || !shownKinds.has(error.kind)) throw error;
    const message = `Login failed: ${error.message}.`;
    const { status } = renderError(error);
    await sendLogin(context, exchange, status, { target: flow.target, message });
    return;
  }
  webOf(context).sessions.logIn(exchange, identity);
  await sendOn(context, exchange, localTarget(flow.target));
}

/** Errors with which the login page is shown again. */
const shownKinds: ReadonlySet<string> = new Set(["unauthorized", "denied", "upstream-failed"]);

/** An answer that is not valid counts like a wrong password: each costs requests to the login server. */
async function finish(
  { authenticator }: Login,
  { incoming, query }: Exchange,
  work: () => Promise<Identity>,
): Promise<Identity> {
  const attempt = authenticator.attempt(query, incoming.peer.address);
  attempt.begin();
  try {
    return authenticator.current(await work());
  } catch (error) {
    if (error instanceof RegistryError && error.kind === "unauthorized") attempt.fail();
    throw error;
  }
}

function waysOf(context: HttpContext): {
  readonly login: Login;
  readonly oidc: OidcLogin;
  readonly flows: OidcFlows;
} {
  const { login } = context;
  const { flows } = webOf(context);
  if (login?.oidc === undefined || flows === undefined)
    throw new RegistryError("path-unknown", "this registry has no login server (setting auth.oidc)");
  return { login, oidc: login.oidc, flows };
}
