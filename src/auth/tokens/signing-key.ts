/** The key that Gantry signs its own tokens with: one that it is given, or one that it makes once and keeps. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { RegistryError } from "../../domain/errors.js";
import type { SecretStore } from "../../storage/storage.js";

export interface SigningKey {
  /** Its RFC 7638 thumbprint: the `kid` of what it signs. */
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const secretName = "token-signing-key.pem";

/** Rejects where `pem` is no private key for ES256; what it says holds nothing of the key. */
export async function signingKeyOf(pem: string | Buffer): Promise<SigningKey> {
  const privateKey = parsePrivateKey(pem);
  const curve = privateKey?.asymmetricKeyDetails?.namedCurve;
  if (privateKey === undefined || curve !== "prime256v1")
    throw new Error("the key for tokens has to be the PEM of an unencrypted private key on the curve P-256");
  const publicKey = createPublicKey(privateKey);
  return { id: await calculateJwkThumbprint(await exportJWK(publicKey)), privateKey, publicKey };
}

/** The storage's own key. Where nothing can be written, one that goes with the process, as tokens do soon. */
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
