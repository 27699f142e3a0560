/** The key that signs Gantry's own tokens: a configured key, or one that Gantry generates once and stores. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { RegistryError } from "../../domain/errors.js";
import type { SecretStore } from "../../storage/storage.js";

export interface SigningKey {
  /** Its RFC 7638 thumbprint: the `kid` of the tokens that it signs. */
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const secretName = "token-signing-key.pem";

/** Rejects if `pem` is not a private key for ES256. The error contains nothing of the key. */
export async function signingKeyOf(pem: string | Buffer): Promise<SigningKey> {
  const privateKey = parsePrivateKey(pem);
  const curve = privateKey?.asymmetricKeyDetails?.namedCurve;
  if (privateKey === undefined || curve !== "prime256v1")
    throw new Error("the signing key must be an unencrypted PEM private key on the curve P-256");
  const publicKey = createPublicKey(privateKey);
  return { id: await calculateJwkThumbprint(await exportJWK(publicKey)), privateKey, publicKey };
}

/**
 * Returns the stored key, and creates it if needed. In a read-only storage, the key lasts as long as the process, which
 * suffices for short-lived tokens.
 */
export async function keptSigningKey(secrets: SecretStore): Promise<SigningKey> {
  try {
    return await signingKeyOf(await secrets.secret(secretName, newKey));
  } catch (error) {
    if (error instanceof RegistryError && error.kind === "storage-read-only") return signingKeyOf(newKey());
    throw error;
  }
}

function newKey(): Buffer {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return Buffer.from(privateKey);
}

function parsePrivateKey(pem: string | Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
