/** Answers the token endpoint: a token for as much of what was asked for as the caller is granted. */
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Identity, Permission } from "../identity.js";
import { intersection, scopeOf } from "./access.js";
import type { OwnTokens } from "./own-tokens.js";
import type { TokenForm, TokenRequest } from "./token-request.js";

/** What the caller may do by policy and by its own limit. */
export interface Granted {
  may(identity: Identity, permission: Permission, name: RepositoryName): boolean;
  /** Whether the catalog may be asked for. */
  mayList(identity: Identity): boolean;
}

/** As JSON, to be sent with `Cache-Control: no-store` (RFC 6749, 5.1). */
export interface TokenAnswer {
  readonly token: string;
  /** The same, «for compatibility with OAuth 2.0». */
  readonly access_token: string;
  readonly expires_in: number;
  /** RFC 3339. */
  readonly issued_at: string;
  readonly scope: string;
  readonly refresh_token?: string;
}

/**
 * The answer to a caller who is known already, or is nobody: that less is granted than was asked for, even
 * nothing, is no error. Rejects with `request-invalid` where the token would be for another service, and with
 * `unauthorized` where the caller has come with a token.
 */
export async function answerTokenRequest(
  request: TokenRequest | TokenForm,
  identity: Identity,
  tokens: OwnTokens,
  granted: Granted,
): Promise<TokenAnswer> {
  // Else one who has a token would have one for ever.
  if (identity.token !== undefined) throw new RegistryError("unauthorized", "a token does not get another");
  if (request.service !== undefined && request.service !== tokens.options.service)
    throw new RegistryError("request-invalid", "tokens are made for this registry's own service only");
  const access = intersection(
    request.scopes,
    (permission, name) => granted.may(identity, permission, name),
    granted.mayList(identity),
  );
  const { token, expiresInSeconds, issuedAt } = await tokens.issue(identity, access);
  const refresh = await refreshTokenOf(request, identity, tokens);
  return {
    token,
    access_token: token,
    expires_in: expiresInSeconds,
    issued_at: issuedAt.toISOString(),
    scope: scopeOf(access),
    ...(refresh !== undefined && { refresh_token: refresh }),
  };
}

/** «If the grant type is "refresh_token" this will only return the same refresh token and not a new one.» */
function refreshTokenOf(
  request: TokenRequest | TokenForm,
  identity: Identity,
  tokens: OwnTokens,
): Promise<string | undefined> | string | undefined {
  if ("grant" in request && request.grant.type === "refresh") return request.grant.token;
  return request.offline ? tokens.refreshToken(identity) : undefined;
}
