/**
 * Keys of external issuers that the operator trusts, from a JWK set and from a bundle of root certificates, which may vouch
 * for other keys. A token selects one by `kid` or `x5c`, and cannot bring its own.
 */
import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  errors,
  exportJWK,
  type JSONWebKeySet,
  type JWTHeaderParameters,
} from "jose";
import { leafKeyOf } from "./chain.js";
import type { KeySource } from "./jwt.js";

/** The contents of the files; either may be absent. */
export interface TrustedFiles {
  /** The JWK set as JSON. */
  readonly jwks?: string | undefined;
  /** Certificates as PEM. */
  readonly rootCertBundle?: string | undefined;
}

/** Returns the key that a header selects. Throws or rejects if that is not a trusted key. */
export type KeyChoice = (
  header: JWTHeaderParameters,
) => Promise<CryptoKey | KeyObject> | CryptoKey | KeyObject;

/** Rejects if a file is invalid, or if there is no key at all. */
export async function parseTrusted({ jwks, rootCertBundle }: TrustedFiles): Promise<KeyChoice> {
  const roots = parseCertificates(rootCertBundle ?? "");
  const byId = await certificateKeys(roots);
  const set = jwks === undefined ? { keys: [] } : parseKeySet(jwks);
  if (roots.length + set.keys.length === 0) throw new Error("there is no trusted key");
  const ofSet = createLocalJWKSet(set);
  return (header) => {
    const { x5c, kid } = header;
    if (x5c !== undefined) return leafKeyOf(x5c, roots, new Date());
    // jose would choose by algorithm without a `kid`; here a token must name its key.
    if (typeof kid !== "string") throw new errors.JWKSNoMatchingKey();
    return byId.get(kid) ?? ofSet(header);
  };
}

/** Trusted keys that can be replaced while in use. */
export class TrustedKeys implements KeySource {
  #generation = 0;
  #choice: KeyChoice;

  constructor(choice: KeyChoice) {
    this.#choice = choice;
  }

  get generation(): number {
    return this.#generation;
  }

  keyOf(header: JWTHeaderParameters): ReturnType<KeyChoice> {
    return this.#choice(header);
  }

  replace(choice: KeyChoice): void {
    this.#choice = choice;
    this.#generation++;
  }
}

/** Parses a JWK set. Throws if it is invalid; the error contains no key. */
export function parseKeySet(json: string): JSONWebKeySet {
  const set = parseJson(json) as JSONWebKeySet;
  try {
    createLocalJWKSet(set);
  } catch {
    throw new Error("it is not a JSON Web Key Set");
  }
  return set;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function parseCertificates(bundle: string): X509Certificate[] {
  const certificates = bundle.match(pemCertificate)?.map((pem) => new X509Certificate(pem)) ?? [];
  if (bundle !== "" && certificates.length === 0) throw new Error("there is no certificate in the bundle");
  return certificates;
}

/**
 * Returns the certificates' keys by the IDs that token servers use: RFC 7638 thumbprints since CNCF distribution 3,
 * libtrust's before.
 */
async function certificateKeys(roots: readonly X509Certificate[]): Promise<Map<string, KeyObject>> {
  const byId = new Map<string, KeyObject>();
  for (const { publicKey } of roots) {
    byId.set(await calculateJwkThumbprint(await exportJWK(publicKey)), publicKey);
    byId.set(libtrustId(publicKey), publicKey);
  }
  return byId;
}

/** Returns 240 bits of the public key's SHA-256 in base32, in groups of four: `PYYO:TEWU:…`. */
function libtrustId(key: KeyObject): string {
  const digest = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
  return base32(digest.subarray(0, 30)).match(/.{4}/g)?.join(":") ?? "";
}

/** Encodes by RFC 4648; the length must be a multiple of five bytes. */
function base32(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.replace(/.{5}/g, (five) => alphabet.charAt(Number.parseInt(five, 2)));
}
