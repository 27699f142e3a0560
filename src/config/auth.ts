/** `auth`: authentication and authorization. Without any of these settings, everybody may do everything. */
import type { z } from "zod";
import { algorithms } from "../auth/tokens/algorithms.js";
import { oidc } from "./oidc.js";
import { group, section } from "./section.js";
import { choice, duration, flag, list, text } from "./values.js";
import { workloadIssuers } from "./workload.js";

const htpasswd = group({
  realm: text.prefault("gantry").describe("Text that a client shows when it prompts for a password."),
  path: text.describe(
    "An htpasswd file with bcrypt hashes (`htpasswd -B`). Gantry reloads it when it changes, so a removed user loses access within seconds.",
  ),
});

const token = group({
  realm: text.describe("URL of the external token server. Gantry sends clients there to log in."),
  service: text.describe("Name of this registry at the token server. Tokens must be issued for it (`aud`)."),
  issuer: text.describe("Name of the token server in its tokens (`iss`)."),
  rootcertbundle: text
    .optional()
    .describe("A PEM file with the certificates that sign the tokens, or the roots of their `x5c` chains."),
  jwks: text.optional().describe("A JSON Web Key Set with the keys that sign the tokens."),
  autoredirect: choice(["false"])
    .prefault("false")
    .describe("As in CNCF distribution. Gantry does not support a realm derived from the `Host` header."),
  signingalgorithms: list(choice(algorithms))
    .optional()
    .describe("Accepted signature algorithms. By default, all asymmetric ones."),
}).refine(
  ({ rootcertbundle, jwks }) => rootcertbundle !== undefined || jwks !== undefined,
  "needs rootcertbundle or jwks: without them Gantry can trust no token",
);

const tokenservice = section({
  enabled: flag
    .prefault("true")
    .describe("Gantry issues tokens itself at `/token`, to users who log in by another method."),
  service: text.prefault("gantry").describe("Audience of the tokens (`aud`)."),
  issuer: text.prefault("gantry").describe("Issuer of the tokens (`iss`)."),
  lifetime: duration.prefault("5m").describe("Lifetime of a token, at least 1m."),
  refreshlifetime: duration
    .prefault("0s")
    .describe("Lifetime of a refresh token, for clients that request one. `0s` issues none."),
  signingkey: text
    .optional()
    .describe(
      "A PEM file with the P-256 key that signs the tokens. By default, Gantry generates a key once and keeps it in the store.",
    ),
});

export const auth = section({
  htpasswd: htpasswd.optional(),
  token: token.optional(),
  tokenservice,
  robots: section({
    enabled: flag
      .prefault("false")
      .describe(
        "Enables login with keys from `gantry token create` if no other setting in `auth` enables logins. If one does, these keys always work.",
      ),
  }),
  workload: section({
    issuers: workloadIssuers
      .optional()
      .describe(
        "CI systems whose jobs may log in with their OIDC tokens, and the access that the tokens' claims grant.",
      ),
  }),
  oidc: oidc
    .optional()
    .describe(
      "A login server at which people log in to the web page (OpenID Connect, authorization code with PKCE).",
    ),
  policy: text
    .optional()
    .describe(
      "A YAML file that defines who may do what in which repositories. Without it, logged-in users may do everything. Gantry reloads it when it changes.",
    ),
  challenge: choice(["bearer", "basic"])
    .prefault("bearer")
    .describe(
      "How clients are asked to log in. `bearer`: with a token from `/token`, if Gantry knows the address by which clients reach it (`http.host`, `http.trustedproxies`). `basic`: with name and password on each request. Gantry accepts name and password in either case.",
    ),
})
  .refine(({ token: outside, htpasswd: users }) => outside === undefined || users === undefined, {
    message: "set auth.token or auth.htpasswd, not both: clients can log in at only one place",
    path: ["token"],
  })
  .refine(
    ({ workload, policy }) =>
      policy !== undefined || workload.issuers?.every(({ rules }) => rules !== undefined) !== false,
    {
      message: "an issuer without rules needs auth.policy: without either, its jobs may do nothing",
      path: ["workload", "issuers"],
    },
  )
  .refine(({ oidc: login, policy }) => login === undefined || policy !== undefined, {
    message:
      "needs auth.policy: without one, everyone with an account at the login server could do everything",
    path: ["oidc"],
  });

export type AuthSettings = z.output<typeof auth>;
