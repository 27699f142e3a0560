/** Checks the certificate that a client presented in the handshake. */
import type { TLSSocket } from "node:tls";
import { type ClientCertificate, parseAlternativeNames } from "../../src/domain/client-certificate.js";
import type { ClientAuth } from "../../src/tls/thread-protocol.js";

export type Shown =
  | { readonly kind: "accepted"; readonly certificate: ClientCertificate | undefined }
  | { readonly kind: "refused"; readonly reason: string };

const nothing: Shown = { kind: "accepted", certificate: undefined };

/** `asked` is absent if client certificates are not requested. */
export function shownBy(socket: TLSSocket, asked: ClientAuth | undefined): Shown {
  if (asked === undefined) return nothing;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined)
    return asked === "optional" ? nothing : { kind: "refused", reason: "none was sent" };
  if (!socket.authorized) return { kind: "refused", reason: reasonOf(socket.authorizationError) };
  return {
    kind: "accepted",
    certificate: {
      commonNames: commonNamesOf(socket),
      alternativeNames: parseAlternativeNames(certificate.subjectAltName ?? ""),
      validTo: Date.parse(certificate.validTo),
    },
  };
}

/** The subject may have several, although the types declare one. */
function commonNamesOf(socket: TLSSocket): readonly string[] {
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | readonly string[] } };
  return [subject?.CN ?? []].flat();
}

/** Returns OpenSSL's code, which people search for. The types declare an `Error`, but it is a string. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
