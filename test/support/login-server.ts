// A login server of people (OpenID Connect): the issuer of test/support/oidc-issuer.ts with a token endpoint, where a test
// decides who logs in.

import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Issued } from "./certificates.js";
import type { Json } from "./jwt.js";
import { discoveryPath, keysPath, type OidcIssuer, startIssuer } from "./oidc-issuer.js";

export const clientId = "registry";
/** With characters that must be encoded in a header. */
export const clientSecret = "s3cret: +&/ü";

export interface LoginServer extends OidcIssuer {
  /** Logs somebody in who was led to `url`. Returns the query with which the browser comes back. */
  authorize(url: string, person: Json, header?: Json): URLSearchParams;
  /** Claims of the user info, by subject. */
  readonly infos: Map<string, Json>;
}

export const tokenPath = "/token";

interface Granted {
  readonly idToken: string;
  readonly sub: unknown;
  readonly challenge: string;
  readonly redirectUri: string;
}

export async function startLoginServer(tls?: Issued): Promise<LoginServer> {
  const issuer = await startIssuer(tls);
  const { url, answers } = issuer;
  const codes = new Map<string, Granted>();
  const infos = new Map<string, Json>();
  answers.set(discoveryPath, (_, response) =>
    sendJson(response, 200, {
      issuer: url,
      jwks_uri: `${url}${keysPath}`,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}${tokenPath}`,
      userinfo_endpoint: `${url}/userinfo`,
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ["ES256"],
    }),
  );
  const keys = answers.get(keysPath);
  answers.set(keysPath, (request, response) => {
    response.setHeader("Content-Type", "application/json");
    keys?.(request, response);
  });
  answers.set(tokenPath, async (request, response) => {
    const form = new URLSearchParams(await textOf(request));
    const code = form.get("code") ?? "";
    const granted = codes.get(code);
    codes.delete(code);
    const basic = `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString("base64")}`;
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (request.headers.authorization !== basic) sendJson(response, 401, { error: "invalid_client" });
    else if (
      granted === undefined ||
      granted.challenge !== challenge ||
      granted.redirectUri !== form.get("redirect_uri")
    )
      sendJson(response, 400, { error: "invalid_grant" });
    else
      sendJson(response, 200, {
        access_token: String(granted.sub),
        token_type: "Bearer",
        expires_in: 60,
        id_token: granted.idToken,
      });
  });
  answers.set("/userinfo", (request, response) => {
    const sub = request.headers.authorization?.slice("Bearer ".length) ?? "";
    sendJson(response, 200, { sub, ...infos.get(sub) });
  });
  return {
    ...issuer,
    get keys() {
      return issuer.keys;
    },
    infos,
    authorize: (asked, person, header) => {
      const { origin, pathname, searchParams } = new URL(asked);
      if (origin !== url || pathname !== "/authorize") throw new Error(`${asked} is not the login`);
      const wanted = (name: string) => searchParams.get(name) ?? "";
      if (wanted("code_challenge_method") !== "S256") throw new Error("PKCE with S256 is required");
      if (wanted("response_type") !== "code" || wanted("client_id") !== clientId) throw new Error(asked);
      const code = randomBytes(16).toString("base64url");
      const claims = { aud: clientId, nonce: wanted("nonce"), ...person };
      codes.set(code, {
        idToken: issuer.token(claims, header),
        sub: person.sub,
        challenge: wanted("code_challenge"),
        redirectUri: wanted("redirect_uri"),
      });
      return new URLSearchParams({ code, state: wanted("state"), iss: url });
    },
    [Symbol.asyncDispose]: () => issuer[Symbol.asyncDispose](),
  };
}

export function sendJson(response: ServerResponse, status: number, json: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
}

/** As RFC 6749, appendix B, for credentials in a header. */
function encode(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
