/** `auth.oidc`: a login server at which people log in to the web page (OpenID Connect). */
import { issuerUrl } from "./issuer-url.js";
import { secret } from "./secret.js";
import { group } from "./section.js";
import { list, text } from "./values.js";

export const oidc = group({
  issuer: issuerUrl.describe("URL of the login server, as in its tokens (`iss`)."),
  clientid: text.describe("ID of this registry at the login server."),
  clientsecret: secret()
    .optional()
    .describe("Secret of `clientid`. Without one, only PKCE protects the login."),
  clientsecretfile: text.optional().describe("File with the secret, instead of `clientsecret`."),
  scopes: list(text)
    .prefault(["profile", "email"])
    .describe("Scopes to request beside `openid`, such as `groups` if the login server has it."),
  usernameclaim: text
    .prefault("sub")
    .describe(
      "Claim that becomes the user name, after `oidc:`. `sub` is the only one that every login server keeps unique; use `preferred_username` or `email` only if yours does, and if people cannot change it.",
    ),
  groupsclaim: text
    .optional()
    .describe("Claim with the groups that the policy file may name. By default, people have none."),
  ca: text.optional().describe("PEM file with the CA of the login server's certificate."),
  label: text
    .prefault("single sign-on")
    .describe("Name of the login server on the login page: `Log in with …`."),
}).refine(
  ({ clientsecret, clientsecretfile }) => clientsecret === undefined || clientsecretfile === undefined,
  "has both clientsecret and clientsecretfile; remove one of them",
);
