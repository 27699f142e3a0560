/** Answers token requests with a token for the granted part of the requested scope. */
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Identity, Permission } from "../identity.js";
import { intersection, scopeOf } from "./access.js";
import type { OwnTokens } from "./own-tokens.js";
import type { TokenForm, TokenRequest } from "./token-request.js";

/** Decides what the caller may do by policy and by its own limit. */
export interface Granted {
  may(identity: Identity, permission: Permission, name: RepositoryName): boolean;
  /** Returns whether the caller may read the catalog. */
  mayList(identity: Identity): boolean;
}

/** The JSON response, sent with `Cache-Control: no-store` (RFC 6749, 5.1). */
export interface TokenAnswer {
  readonly token: string;
  /** The same token, "for compatibility with OAuth 2.0". */
  readonly access_token: string;
  readonly expires_in: number;
  /** RFC 3339. */
  readonly issued_at: string;
  readonly scope: string;
  readonly refresh_token?: string;
}

/**
 * Answers an identified or anonymous caller. It is not an error if less than requested, or even nothing, is granted. Rejects
 * with `request-invalid` if the token would be for another service, and with `unauthorized` if the caller authenticated with
 * a token.
 */
export async function answerTokenRequest(
  request: TokenRequest | TokenForm,
  identity: Identity,
  tokens: OwnTokens,
  granted: Granted,
): Promise<TokenAnswer> {
  // Otherwise a token could be renewed forever.
  if (identity.token !== undefined)
    throw new RegistryError("unauthorized", "a token cannot be used to get another token");
  if (request.service !== undefined && request.service !== tokens.options.service)
    throw new RegistryError("request-invalid", "this registry issues tokens only for its own service");
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

/** "If the grant type is "refresh_token" this will only return the same refresh token and not a new one." */
function refreshTokenOf(
  request: TokenRequest | TokenForm,
  identity: Identity,
  tokens: OwnTokens,
): Promise<string | undefined> | string | undefined {
  if ("grant" in request && request.grant.type === "refresh") return request.grant.token;
  return request.offline ? tokens.refreshToken(identity) : undefined;
}
