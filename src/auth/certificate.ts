/** Whom a client certificate names. The certificate has been verified by then; what its holder may do the policy says. */
import type { AlternativeNameKind, ClientCertificate } from "../domain/client-certificate.js";
import { anonymous, type Identity } from "./identity.js";

/** Which name is the user's: the subject's common name, or a kind of alternative name. */
export type CertificateName = "cn" | AlternativeNameKind;

export const certificateNames: readonly CertificateName[] = ["cn", "dns", "email", "uri"];

/** Names go into logs and policies. */
const nameCharactersMax = 256;

/** The holder; `undefined` where the certificate has no such name, or several: then it does not say who that is. */
export function identityOf(certificate: ClientCertificate, which: CertificateName): Identity | undefined {
  const [name = "", ...others] = namesOf(certificate, which);
  if (others.length > 0 || !isPrintable(name)) return undefined;
  return { ...anonymous, kind: "certificate", subject: `certificate:${name}`, name };
}

function namesOf(
  { commonNames, alternativeNames }: ClientCertificate,
  which: CertificateName,
): readonly string[] {
  if (which === "cn") return commonNames;
  return alternativeNames.filter(({ kind }) => kind === which).map(({ value }) => value);
}

function isPrintable(name: string): boolean {
  return name.length <= nameCharactersMax && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(name);
}
