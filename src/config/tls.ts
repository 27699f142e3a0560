/** `http.tls`: the certificate that the server shows, and those that it wants of clients. Without it, plain HTTP is served. */
import { certificateNames } from "../auth/certificate.js";
import { group } from "./section.js";
import { choice, list, text } from "./values.js";

export const tls = group({
  certificate: text.describe(
    "PEM file with the server's certificate, and those between it and the root behind it. It, the key and the CAs are read again when they change.",
  ),
  key: text.describe("PEM file with the certificate's key, not encrypted."),
  minimumtls: choice(["tls1.2", "tls1.3"])
    .prefault("tls1.2")
    .describe("The oldest version of TLS that clients may speak."),
  clientcas: list(text)
    .prefault([])
    .describe(
      "PEM files with the CAs of clients' certificates, by which clients log in. None: they are not asked for one.",
    ),
  clientauth: choice(["require-and-verify-client-cert", "verify-client-cert-if-given"])
    .prefault("require-and-verify-client-cert")
    .describe("Whether a client must have a certificate, where there are `clientcas`."),
  clientname: choice(certificateNames)
    .prefault("cn")
    .describe(
      "Which name of a client's certificate is its user: the subject's common name, or the one alternative name of that kind.",
    ),
}).optional();
