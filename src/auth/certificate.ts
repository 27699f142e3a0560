/** Derives an identity from a verified client certificate. The policy decides what its holder may do. */
import type { AlternativeNameKind, ClientCertificate } from "../domain/client-certificate.js";
import { anonymous, type Identity, oidcPrefix } from "./identity.js";

/** The part of the certificate that names the user: the subject's common name, or a kind of alternative name. */
export type CertificateName = "cn" | AlternativeNameKind;

export const certificateNames: readonly CertificateName[] = ["cn", "dns", "email", "uri"];

/** Names appear in logs and policies. */
const nameCharactersMax = 256;

/**
 * Returns the holder, or undefined if the certificate has no such name or several, which would be ambiguous, or one of a
 * user of the login server.
 */
export function identityOf(certificate: ClientCertificate, which: CertificateName): Identity | undefined {
  const [name = "", ...others] = namesOf(certificate, which);
  if (others.length > 0 || !isPrintable(name) || name.startsWith(oidcPrefix)) return undefined;
  return { ...anonymous, kind: "certificate", subject: `certificate:${name}`, name };
}

function namesOf(
  { commonNames, alternativeNames }: ClientCertificate,
  which: CertificateName,
): readonly string[] {
  if (which === "cn") return commonNames;
  return alternativeNames.filter(({ kind }) => kind === which).map(({ value }) => value);
}

export function isPrintable(name: string): boolean {
  return name.length <= nameCharactersMax && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(name);
}
