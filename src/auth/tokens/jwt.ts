/**
 * Verifies signed tokens (RFC 7519), of whoever signed them. The key is the verifier's to choose: `jwk`, `jku` and
 * `x5u` in a token's header, by which it would name its own, are read by nobody. No error holds any part of a token.
 */
import {
  type CryptoKey,
  decodeJwt,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  type KeyObject,
} from "jose";
import { RegistryError } from "../../domain/errors.js";
import type { Attempt } from "../identity.js";

/** With all that a client puts around it, it has to fit into a header section of 16 KiB. GitHub's have some 2 KiB. */
export const tokenCharactersMax = 8192;

/** For clocks that go differently; CNCF distribution allows for as much. */
export const leewaySeconds = 60;

/** Public keys that are trusted, and may be others later. */
export interface KeySource {
  /** Changes when a key that was trusted is no longer. */
  readonly generation: number;
  /** Throws or rejects where no trusted key fits the header, with `refused` where there is more to say of it. */
  keyOf(header: JWTHeaderParameters): Promise<CryptoKey | KeyObject> | CryptoKey | KeyObject;
}

export interface Expected {
  readonly keys: Pick<KeySource, "keyOf">;
  readonly algorithms: readonly string[];
  readonly issuer: string;
  readonly audience: string | readonly string[];
  /** The header's `typ`. Where it is `undefined`, a token may have none, but no other than `JWT`. */
  readonly type?: string;
}

export interface Verified {
  readonly claims: JWTPayload;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** Three parts of base64url, of bearable length. The signature may be empty here: `none` is refused as such. */
export function looksLikeJwt(text: string): boolean {
  return text.length <= tokenCharactersMax && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/** Who the token says has issued it, to know who has to verify it. Proves nothing. */
export function claimedIssuer(token: string): string | undefined {
  if (!looksLikeJwt(token)) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** Rejects with `unauthorized`, whatever is wrong. */
export async function verifyJwt(token: string, expected: Expected, attempt?: Attempt): Promise<Verified> {
  attempt?.begin();
  if (!looksLikeJwt(token)) throw refused("it is malformed");
  const options: JWTVerifyOptions = {
    algorithms: [...expected.algorithms],
    issuer: expected.issuer,
    audience: typeof expected.audience === "string" ? expected.audience : [...expected.audience],
    clockTolerance: leewaySeconds,
    requiredClaims: ["exp"],
    ...(expected.type !== undefined && { typ: expected.type }),
  };
  try {
    const { payload } = await jwtVerify(
      token,
      (header) => {
        if (expected.type === undefined && header.typ !== undefined && header.typ.toUpperCase() !== "JWT")
          throw refused("its type is wrong");
        return expected.keys.keyOf(header);
      },
      options,
    );
    return { claims: payload, expires: payload.exp ?? 0 };
  } catch (error) {
    if (isForged(error)) attempt?.fail();
    throw error instanceof RegistryError ? error : refused(reasonOf(error));
  }
}

/** Not one whose key is unknown: whoever came with such a token may have got it before the key was exchanged. */
function isForged(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed;
}

export function refused(reason: string): RegistryError {
  return new RegistryError("unauthorized", `the token is not valid: ${reason}`);
}

/** In words of our own: what jose throws has the token's claims in it. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `its ${error.claim} is wrong or missing`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "its algorithm is not allowed";
  if (error instanceof errors.JWKSNoMatchingKey) return "its key is not trusted";
  return "it is malformed";
}
