/** The token endpoint over HTTP (distribution's token documents): GET, and POST as in OAuth 2. */
import type { TokenPermit } from "../auth/gate.js";
import type { Identity } from "../auth/identity.js";
import type { RequestedAction, RequestedScopes } from "../auth/tokens/scope.js";
import { answerTokenRequest } from "../auth/tokens/token-endpoint.js";
import {
  parseTokenForm,
  parseTokenQuery,
  type TokenForm,
  type TokenRequest,
} from "../auth/tokens/token-request.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

/** Maximum size of a form: a CI job's token and a hundred scopes fit. */
const formBytesMax = 64 * 1024;

export async function getToken(
  context: HttpContext,
  exchange: Exchange,
  { identity }: TokenPermit,
): Promise<void> {
  await answer(context, exchange, parseTokenQuery(new URLSearchParams(exchange.query)), identity);
}

export async function postToken(context: HttpContext, exchange: Exchange, _: TokenPermit): Promise<void> {
  const { body } = exchange;
  if (body === undefined) throw new Error("invariant broken: this route takes a body");
  const form = await body.collect(
    context.services.bodyMemory.account(exchange.client),
    { bytesMax: formBytesMax, bytesExpected: exchange.announcedLength },
    async (bytes) => parseTokenForm(new URLSearchParams(bytes.toString("utf8"))),
  );
  const identity = await callerOf(context, exchange, form);
  exchange.identity = identity;
  await answer(context, exchange, form, identity);
}

/** Authenticates the caller by the credentials in the form. */
async function callerOf(context: HttpContext, exchange: Exchange, { grant }: TokenForm): Promise<Identity> {
  const { authenticator, tokens } = issuing(context);
  const { address } = exchange.incoming.peer;
  if (grant.type === "password") return authenticator.byPassword(grant.user, grant.password, address);
  const attempt = authenticator.attempt(grant.token, address);
  return authenticator.current(await tokens.verifyRefresh(grant.token, attempt));
}

async function answer(
  context: HttpContext,
  exchange: Exchange,
  request: TokenRequest,
  identity: Identity,
): Promise<void> {
  const { tokens } = issuing(context);
  const scopes = canonicalScopes(context, exchange, request.scopes);
  const body = await answerTokenRequest({ ...request, scopes }, identity, tokens, context.gate);
  exchange.send(
    200,
    [
      ["Content-Type", "application/json"],
      ["Cache-Control", "no-store"],
    ],
    JSON.stringify(body),
  );
}

/** Docker asks for the scope of a name without the prefix of its upstream. */
function canonicalScopes(
  { upstreams }: HttpContext,
  { incoming }: Exchange,
  scopes: RequestedScopes,
): RequestedScopes {
  if (upstreams === undefined) return scopes;
  const repositories = new Map<RepositoryName, Set<RequestedAction>>();
  for (const [name, actions] of scopes.repositories) {
    const canonical = upstreams.names.canonical(name, undefined, incoming.host);
    repositories.set(canonical, new Set([...(repositories.get(canonical) ?? []), ...actions]));
  }
  return { ...scopes, repositories };
}

function issuing({ login }: HttpContext) {
  if (login?.tokens === undefined) throw new RegistryError("path-unknown", "this server issues no tokens");
  return { authenticator: login.authenticator, tokens: login.tokens };
}
