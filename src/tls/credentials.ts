/** The server's certificate, its key and the CAs of its clients, as they are in files. */
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Credentials } from "./thread-protocol.js";

export interface CredentialFiles {
  readonly certificate: string;
  readonly key: string;
  readonly clientCas: readonly string[];
}

/** In the order in which `readCredentials` takes what they hold. */
export function pathsOf({ certificate, key, clientCas }: CredentialFiles): readonly string[] {
  return [certificate, key, ...clientCas];
}

/** Throws, naming the file, where they cannot be used: not PEM, or a key that is not the certificate's. */
export function readCredentials(files: CredentialFiles, texts: readonly string[]): Credentials {
  const [certificate = "", key = "", ...clientCas] = texts;
  checkCertificate(files.certificate, certificate);
  for (const [index, text] of clientCas.entries()) checkCertificate(files.clientCas[index] ?? "", text);
  try {
    createSecureContext({ cert: certificate, key, ca: clientCas });
  } catch (cause) {
    throw new Error(`the key in ${files.key} does not go with ${files.certificate}`, { cause });
  }
  return { certificate, key, clientCas };
}

/** Throws, naming the file, where `text` is not a certificate. */
export function checkCertificate(path: string, text: string): void {
  try {
    new X509Certificate(text);
  } catch (cause) {
    throw new Error(`${path} holds no certificate in PEM form`, { cause });
  }
}

/** When the first certificate, which is the server's own, ends to be valid. */
export function expiryOf({ certificate }: Credentials): Date {
  return new Date(new X509Certificate(certificate).validTo);
}
