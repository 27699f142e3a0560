// Certificates for tests: authorities, and certificates issued by them. Created in each process.

import { KeyObject, type webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";

export interface Issued {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
  /** Both as PEM. */
  readonly pem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  readonly name: string;
  /** Absent for a self-signed one. */
  readonly by?: Issued;
  readonly authority?: boolean;
  /** IP addresses of the server. */
  readonly addresses?: readonly string[];
  /** Other names of the holder. */
  readonly names?: readonly { readonly type: "dns" | "email" | "url"; readonly value: string }[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const hour = 60 * 60_000;

let serial = 1;

export async function issueCertificate(options: CertificateOptions): Promise<Issued> {
  const { name, by, authority = false, addresses = [], names = [] } = options;
  const alternatives = [...addresses.map((value) => ({ type: "ip" as const, value })), ...names];
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const subject = `CN=${name}`;
  const signer = by === undefined ? keys.privateKey : await toCryptoKey(by.privateKey);
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16).padStart(2, "0"),
    subject,
    issuer: by === undefined ? subject : by.certificate.subject,
    notBefore: options.notBefore ?? new Date(Date.now() - hour),
    notAfter: options.notAfter ?? new Date(Date.now() + hour),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: signer,
    extensions: [
      new x509.BasicConstraintsExtension(authority, undefined, true),
      ...(alternatives.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(alternatives)]),
    ],
  });
  const privateKey = KeyObject.from(keys.privateKey);
  const certificate = new X509Certificate(Buffer.from(made.rawData));
  return {
    certificate,
    privateKey,
    pem: certificate.toString(),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function toCryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const der = key.export({ type: "pkcs8", format: "der" });
  return crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}
