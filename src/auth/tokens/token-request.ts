/**
 * Parses token requests by GET ("Token Authentication Specification") or POST ("Oauth2 Token Authentication"). Ignores
 * `account` and `client_id`: only the credentials identify the caller.
 */
import { RegistryError } from "../../domain/errors.js";
import { parseScopes, type RequestedScopes } from "./scope.js";

export interface TokenRequest {
  /** Absent if the client sends none, which it may if it was given none. */
  readonly service: string | undefined;
  readonly scopes: RequestedScopes;
  /** Whether the client requests a refresh token. */
  readonly offline: boolean;
}

/** The credentials in a form. */
export type TokenGrant =
  | { readonly type: "password"; readonly user: string; readonly password: string }
  | { readonly type: "refresh"; readonly token: string };

export interface TokenForm extends TokenRequest {
  readonly grant: TokenGrant;
}

/** Parses a GET; its credentials are in the `Authorization` header. Throws `request-invalid`. */
export function parseTokenQuery(query: URLSearchParams): TokenRequest {
  return {
    service: query.get("service") || undefined,
    scopes: parseScopes(query.getAll("scope")),
    offline: query.get("offline_token") === "true",
  };
}

/** Parses a POST. Throws `request-invalid`. */
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
      throw new RegistryError("request-invalid", "grant_type must be password or refresh_token");
  }
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value) return value;
  throw new RegistryError("request-invalid", `${name} is missing`);
}
