/**
 * What a client asks of the token endpoint: by GET («Token Authentication Specification») or by POST («Oauth2 Token
 * Authentication»). `account` and `client_id` are read by nobody: who the caller is, its credentials say.
 */
import { RegistryError } from "../../domain/errors.js";
import { parseScopes, type RequestedScopes } from "./scope.js";

export interface TokenRequest {
  /** Absent where the client names none, as one may that was told of none. */
  readonly service: string | undefined;
  readonly scopes: RequestedScopes;
  /** Whether a refresh token is asked for. */
  readonly offline: boolean;
}

/** The credentials that a form has in it. */
export type TokenGrant =
  | { readonly type: "password"; readonly user: string; readonly password: string }
  | { readonly type: "refresh"; readonly token: string };

export interface TokenForm extends TokenRequest {
  readonly grant: TokenGrant;
}

/** Of a GET; the credentials are in its `Authorization` header. Throws `request-invalid`. */
export function parseTokenQuery(query: URLSearchParams): TokenRequest {
  return {
    service: query.get("service") || undefined,
    scopes: parseScopes(query.getAll("scope")),
    offline: query.get("offline_token") === "true",
  };
}

/** Of a POST. Throws `request-invalid`. */
export function parseTokenForm(form: URLSearchParams): TokenForm {
  return {
    service: form.get("service") || undefined,
    scopes: parseScopes(form.getAll("scope")),
    offline: form.get("access_type") === "offline",
    grant: parseGrant(form),
  };
}

function parseGrant(form: URLSearchParams): TokenGrant {
  switch (form.get("grant_type")) {
    case "password":
      return { type: "password", user: required(form, "username"), password: required(form, "password") };
    case "refresh_token":
      return { type: "refresh", token: required(form, "refresh_token") };
    default:
      throw new RegistryError("request-invalid", "grant_type has to be password or refresh_token");
  }
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value) return value;
  throw new RegistryError("request-invalid", `${name} is missing`);
}
