/** Reads the server's certificate, its key and the CAs of its clients. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Credentials } from "./thread-protocol.js";

export interface CredentialFiles {
  readonly certificate: string;
  readonly key: string;
  readonly clientCas: readonly string[];
}

/** Also an encrypted one, or one of an algorithm. */
const privateKey = /^-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/m;

/** Returns the paths in the order in which `readCredentials` expects their texts. */
export function pathsOf({ certificate, key, clientCas }: CredentialFiles): readonly string[] {
  return [certificate, key, ...clientCas];
}

/** Throws an error that names the file if it is not PEM, or if the key does not belong to the certificate. */
export function readCredentials(files: CredentialFiles, texts: readonly string[]): Credentials {
  const [certificate = "", key = "", ...clientCas] = texts;
  checkCertificate(files.certificate, certificate);
  if (!privateKey.test(key)) throw new Error(`${files.key} contains no PEM private key`);
  for (const [index, text] of clientCas.entries()) checkCertificate(files.clientCas[index] ?? "", text);
  try {
    createSecureContext({ cert: certificate, key, ca: clientCas });
  } catch (cause) {
    throw new Error(`the key in ${files.key} does not match the certificate in ${files.certificate}`, {
      cause,
    });
  }
  return { certificate, key, clientCas };
}

/** Throws an error that names the file if `text` is not a certificate. */
export function checkCertificate(path: string, text: string): void {
  try {
    new X509Certificate(text);
  } catch (cause) {
    throw new Error(`${path} contains no PEM certificate`, { cause });
  }
}

/** Returns the expiry of the first certificate, which is the server's own. */
export function expiryOf({ certificate }: Credentials): Date {
  return new Date(new X509Certificate(certificate).validTo);
}
