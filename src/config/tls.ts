/** `http.tls`: the server's certificate and the client certificates that it accepts. Without it, the server speaks plain HTTP. */
import { certificateNames } from "../auth/certificate.js";
import { group } from "./section.js";
import { choice, list, text } from "./values.js";

export const tls = group({
  certificate: text.describe(
    "PEM file with the server's certificate, followed by the intermediate certificates. Gantry reloads the certificate, key and CAs when they change.",
  ),
  key: text.describe("PEM file with the certificate's unencrypted key."),
  minimumtls: choice(["tls1.2", "tls1.3"]).prefault("tls1.2").describe("Minimum TLS version."),
  clientcas: list(text)
    .prefault([])
    .describe(
      "PEM files with the CAs of client certificates. Clients can then log in by certificate. Without this setting, Gantry requests none.",
    ),
  clientauth: choice(["require-and-verify-client-cert", "verify-client-cert-if-given"])
    .prefault("require-and-verify-client-cert")
    .describe("Whether clients must present a certificate if `clientcas` is set."),
  clientname: choice(certificateNames)
    .prefault("cn")
    .describe(
      "Name in a client certificate that becomes the user name: the subject's common name, or its single alternative name of this kind.",
    ),
}).optional();
