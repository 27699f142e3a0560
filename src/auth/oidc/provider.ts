/**
 * A login server of people: OpenID Connect, authorization code with PKCE. `openid-client` follows the protocol: it compares
 * state, nonce, issuer and audience, and verifies the signature and the times of the ID token.
 */
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import { RegistryError, TooManyRequests } from "../../domain/errors.js";
import { visibleLine } from "../../lib/control-characters.js";
import { cutText } from "../../lib/cut-text.js";
import type { Identity } from "../identity.js";
import { identityOf, type NamingOptions } from "./names.js";
import { ProviderUnreachable, providerFetch, requestSecondsMax } from "./provider-fetch.js";

export interface OidcProviderOptions extends NamingOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret: string | undefined;
  /** Beside `openid`. */
  readonly scopes: readonly string[];
  /** CA certificates as PEM for the login server; by default those of Node.js. */
  readonly ca: string | undefined;
  /** Called if the login server cannot be reached or responds with something that is not valid. */
  readonly onError: (error: Error) => void;
}

/** What must be remembered until the person comes back. */
export interface OidcFlow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** A login server moves its endpoints rarely, and its keys are fetched apart. */
const configurationMilliseconds = 3_600_000;

/** After a failed discovery, logins fail immediately for this time. */
const backOffMilliseconds = 2_000;

/** Logins that are being finished: each waits for up to three requests. */
const finishingMax = 32;

const retrySeconds = 2;

/** Of a text that the login server sends. */
const shownCharactersMax = 200;

export class OidcProvider {
  #configuration: { readonly value: Configuration; readonly at: number } | undefined;
  #discovering: Promise<Configuration> | undefined;
  #failed: { readonly error: unknown; readonly at: number } | undefined;
  #finishing = 0;

  constructor(readonly options: OidcProviderOptions) {}

  /** Resolves with the address at which the person logs in. Rejects with `upstream-failed`. */
  async begin(redirectUri: string): Promise<{ readonly url: URL; readonly flow: OidcFlow }> {
    const configuration = await this.configuration();
    const verifier = randomPKCECodeVerifier();
    const flow = { state: randomState(), nonce: randomNonce(), verifier, redirectUri };
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: [...new Set(["openid", ...this.options.scopes])].join(" "),
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    });
    return { url, flow };
  }

  /**
   * Resolves with the person who has come back with this query. Rejects with `denied` if the login server refuses,
   * `unauthorized` if its answer is not valid for this flow, and `upstream-failed` if it cannot be reached.
   */
  async finish(flow: OidcFlow, query: string): Promise<Identity> {
    if (this.#finishing >= finishingMax)
      throw new TooManyRequests("logins", "too many people are logging in", retrySeconds);
    this.#finishing++;
    try {
      return await this.#finish(await this.configuration(), flow, query);
    } catch (error) {
      throw this.#asRegistryError(error);
    } finally {
      this.#finishing--;
    }
  }

  async #finish(configuration: Configuration, flow: OidcFlow, query: string): Promise<Identity> {
    const { groupsClaim, usernameClaim } = this.options;
    const tokens = await authorizationCodeGrant(configuration, new URL(`${flow.redirectUri}?${query}`), {
      expectedState: flow.state,
      expectedNonce: flow.nonce,
      pkceCodeVerifier: flow.verifier,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new Error("invariant broken: an ID token was required");
    const wanted = [usernameClaim, ...(groupsClaim === undefined ? [] : [groupsClaim])];
    const isComplete = wanted.every((name) => Object.hasOwn(claims, name));
    if (isComplete || configuration.serverMetadata().userinfo_endpoint === undefined)
      return identityOf(claims, this.options);
    const more = await fetchUserInfo(configuration, tokens.access_token, claims.sub);
    return identityOf({ ...more, ...claims }, this.options);
  }

  /** Resolves with the login server's configuration. Rejects with `upstream-failed`. */
  async configuration(): Promise<Configuration> {
    const now = Date.now();
    if (this.#configuration !== undefined && now - this.#configuration.at < configurationMilliseconds)
      return this.#configuration.value;
    if (this.#failed !== undefined && now - this.#failed.at < backOffMilliseconds) throw this.#failed.error;
    this.#discovering ??= this.#discover().finally(() => {
      this.#discovering = undefined;
    });
    return this.#discovering;
  }

  async #discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecret, ca } = this.options;
    try {
      const value = await discovery(
        new URL(issuer),
        clientId,
        {},
        clientSecret === undefined ? None() : bySecret(clientSecret),
        {
          [customFetch]: providerFetch(ca),
          timeout: requestSecondsMax,
          execute: [
            enableNonRepudiationChecks,
            ...(issuer.startsWith("http:") ? [allowInsecureRequests] : []),
          ],
        },
      );
      const named = value.serverMetadata().issuer;
      // For Entra, the library lets a template of all tenants pass.
      if (withoutSlash(named) !== withoutSlash(issuer))
        throw new Error("its discovery document names another issuer");
      this.#configuration = { value, at: Date.now() };
      return value;
    } catch (error) {
      const failure = this.#asRegistryError(error, "its discovery document is not valid");
      this.#failed = { error: failure, at: Date.now() };
      throw failure;
    }
  }

  #asRegistryError(error: unknown, invalid?: string): RegistryError {
    if (error instanceof RegistryError) return error;
    if (error instanceof AuthorizationResponseError) {
      const { error: code, error_description: description } = error;
      return new RegistryError("denied", `the login server refuses: ${shown(code, description)}`);
    }
    const known = error instanceof Error ? error : new Error(String(error));
    this.options.onError(known);
    if (known instanceof ProviderUnreachable) return new RegistryError("upstream-failed", known.message);
    if (invalid !== undefined)
      return new RegistryError("upstream-failed", `the login server ${this.options.issuer}: ${invalid}`);
    if (known instanceof ResponseBodyError)
      return new RegistryError("unauthorized", `the login server refuses: ${shown(known.error)}`);
    if (known instanceof ClientError)
      return new RegistryError("unauthorized", "the login server's answer is not valid for this login");
    return new RegistryError("unauthorized", "the login server's answer is not valid");
  }
}

/** As the login server prefers; the specification's default is Basic. */
function bySecret(secret: string): ReturnType<typeof ClientSecretPost> {
  const [post, basic] = [ClientSecretPost(secret), ClientSecretBasic(secret)];
  return (server, ...rest) =>
    server.token_endpoint_auth_methods_supported?.includes("client_secret_post") === true
      ? post(server, ...rest)
      : basic(server, ...rest);
}

function shown(...texts: (string | undefined)[]): string {
  const text = texts.filter((one) => one !== undefined).join(": ");
  return cutText(visibleLine(text), shownCharactersMax);
}

function withoutSlash(issuer: string): string {
  return issuer.replace(/\/$/, "");
}
