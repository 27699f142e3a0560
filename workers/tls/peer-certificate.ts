/** What a client has shown of itself in the handshake, judged by what the server asks for. */
import type { TLSSocket } from "node:tls";
import { type ClientCertificate, parseAlternativeNames } from "../../src/domain/client-certificate.js";
import type { ClientAuth } from "../../src/tls/thread-protocol.js";

export type Shown =
  | { readonly kind: "accepted"; readonly certificate: ClientCertificate | undefined }
  | { readonly kind: "refused"; readonly reason: string };

const nothing: Shown = { kind: "accepted", certificate: undefined };

/** `asked` is absent where clients are not asked for a certificate. */
export function shownBy(socket: TLSSocket, asked: ClientAuth | undefined): Shown {
  if (asked === undefined) return nothing;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined)
    return asked === "optional" ? nothing : { kind: "refused", reason: "there is none" };
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

/** Several where the subject has several, which the types do not tell. */
function commonNamesOf(socket: TLSSocket): readonly string[] {
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | readonly string[] } };
  return [subject?.CN ?? []].flat();
}

/** OpenSSL's code, which is what people look for: the types say `Error`, and it is a text. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
