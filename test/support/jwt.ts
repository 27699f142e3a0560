// Signs tokens, like an issuer and like an attacker.

import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function ecKeys(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

export function rsaKeys(): KeyPair {
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

export type Json = Readonly<Record<string, unknown>>;

export function base64url(part: Json | string): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

/** The signing key: one for ES256 or RS256, a shared secret for HS256, or none. */
export type Signer = KeyObject | { readonly secret: string } | "nothing";

/** A token with exactly this header and these claims, each JSON or any other text. */
export function signJwt(header: Json | string, claims: Json | string, signer: Signer): string {
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${signatureOf(Buffer.from(input), signer).toString("base64url")}`;
}

function signatureOf(input: Buffer, signer: Signer): Buffer {
  if (signer === "nothing") return Buffer.alloc(0);
  if ("secret" in signer) return createHmac("sha256", signer.secret).update(input).digest();
  return sign("sha256", input, { key: signer, dsaEncoding: "ieee-p1363" });
}

export function jwkSet(keys: Readonly<Record<string, KeyObject>>): string {
  return JSON.stringify({
    keys: Object.entries(keys).map(([kid, key]) => ({ ...key.export({ format: "jwk" }), kid, use: "sig" })),
  });
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
