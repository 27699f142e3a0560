/**
 * Verifies signed tokens (RFC 7519) of any issuer. The verifier chooses the key: it never reads `jwk`, `jku` and `x5u` in a
 * token's header, with which a token could name its own key. No error contains any part of a token.
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

/** The token and the other headers must fit into a header section of 16 KiB. GitHub's tokens have about 2 KiB. */
export const tokenCharactersMax = 8192;

/** Tolerance for clock differences, the same as in CNCF distribution. */
export const leewaySeconds = 60;

/** The trusted public keys, which may change. */
export interface KeySource {
  /** Changes when a key is no longer trusted. */
  readonly generation: number;
  /** Throws or rejects if no trusted key matches the header, with `refused` if there is a more specific reason. */
  keyOf(header: JWTHeaderParameters): Promise<CryptoKey | KeyObject> | CryptoKey | KeyObject;
}

export interface Expected {
  readonly keys: Pick<KeySource, "keyOf">;
  readonly algorithms: readonly string[];
  readonly issuer: string;
  readonly audience: string | readonly string[];
  /** The header's required `typ`. If `undefined`, a token may have none or `JWT`, but no other. */
  readonly type?: string;
}

export interface Verified {
  readonly claims: JWTPayload;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/**
 * Returns whether the text has three base64url parts and an acceptable length. The signature may be empty here: `none` is
 * refused later.
 */
export function looksLikeJwt(text: string): boolean {
  return text.length <= tokenCharactersMax && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/** Returns the issuer that the token claims, to choose its verifier. It proves nothing. */
export function claimedIssuer(token: string): string | undefined {
  if (!looksLikeJwt(token)) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** Rejects with `unauthorized` for any fault. */
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

/** Returns whether a token is forged. A token with an unknown key is not: the client may have got it before a key rotation. */
function isForged(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed;
}

export function refused(reason: string): RegistryError {
  return new RegistryError("unauthorized", `the token is not valid: ${reason}`);
}

/** Our own wording, because jose's errors contain the token's claims. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `its ${error.claim} is wrong or missing`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "its algorithm is not allowed";
  if (error instanceof errors.JWKSNoMatchingKey) return "its key is not trusted";
  return "it is malformed";
}
