// An issuer of tokens for CI jobs, with its discovery document and its keys, on a loopback port.

import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Issued } from "./certificates.js";
import { ecKeys, type Json, jwkSet, type KeyPair, nowSeconds, signJwt } from "./jwt.js";

export interface OidcIssuer extends AsyncDisposable {
  readonly url: string;
  readonly keys: KeyPair;
  /** Its responses by path; a test may replace them. */
  readonly answers: Map<string, RequestListener>;
  /** Requested paths. */
  readonly asked: string[];
  /** Replaces its key. */
  rotate(): void;
  token(claims: Json, header?: Json): string;
}

export const discoveryPath = "/.well-known/openid-configuration";
export const keysPath = "/keys";

export async function startIssuer(tls?: Issued): Promise<OidcIssuer> {
  const answers = new Map<string, RequestListener>();
  const asked: string[] = [];
  const answer: RequestListener = (request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const known = answers.get(path);
    if (known !== undefined) return known(request, response);
    response.writeHead(404).end();
  };
  const server =
    tls === undefined ? createServer(answer) : createTlsServer({ cert: tls.pem, key: tls.keyPem }, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  let generation = 1;
  let keys = ecKeys();
  const kid = () => `key-${generation}`;
  answers.set(discoveryPath, (_, response) =>
    response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}${keysPath}` })),
  );
  answers.set(keysPath, (_, response) => response.end(jwkSet({ [kid()]: keys.publicKey })));
  return {
    url,
    answers,
    asked,
    get keys() {
      return keys;
    },
    rotate: () => {
      generation++;
      keys = ecKeys();
    },
    token: (claims, header = {}) =>
      signJwt(
        { alg: "ES256", typ: "JWT", kid: kid(), ...header },
        { iss: url, aud: "gantry", iat: nowSeconds(), exp: nowSeconds() + 300, ...claims },
        keys.privateKey,
      ),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
