/** `auth`: how callers prove who they are, and what they may do. Without any of it everybody may do everything. */
import type { z } from "zod";
import { algorithms } from "../auth/tokens/algorithms.js";
import { group, section } from "./section.js";
import { choice, duration, flag, list, text } from "./values.js";
import { workloadIssuers } from "./workload.js";

const htpasswd = group({
  realm: text.prefault("gantry").describe("What a client that asks a person for a password shows."),
  path: text.describe(
    "An htpasswd file with bcrypt hashes (`htpasswd -B`). Read again when it changes; who is taken out of it is out within seconds.",
  ),
});

const token = group({
  realm: text.describe("URL of the outside server that issues tokens; clients are sent there."),
  service: text.describe("This registry's name there; tokens must be made for it (`aud`)."),
  issuer: text.describe("The name of that server in its tokens (`iss`)."),
  rootcertbundle: text
    .optional()
    .describe("A PEM file with the certificates that sign the tokens, or that their `x5c` chains lead to."),
  jwks: text.optional().describe("A JSON Web Key Set with the keys that sign the tokens."),
  autoredirect: choice(["false"])
    .prefault("false")
    .describe("As in CNCF distribution; a realm that follows the `Host` header is not supported."),
  signingalgorithms: list(choice(algorithms))
    .optional()
    .describe("Algorithms that tokens may be signed with; without it, all that sign with a private key."),
}).refine(
  ({ rootcertbundle, jwks }) => rootcertbundle !== undefined || jwks !== undefined,
  "needs rootcertbundle or jwks: else no token could be trusted",
);

const tokenservice = section({
  enabled: flag
    .prefault("true")
    .describe("Whether Gantry issues tokens itself, at `/token`, to who logs in by another way."),
  service: text.prefault("gantry").describe("This registry's name in the tokens (`aud`)."),
  issuer: text.prefault("gantry").describe("Who issues them (`iss`)."),
  lifetime: duration.prefault("5m").describe("Time after which a client has to ask for another, 1m or more."),
  refreshlifetime: duration
    .prefault("0s")
    .describe("Time for which a user who asks for it gets a refresh token; `0s` gives none."),
  signingkey: text
    .optional()
    .describe(
      "A PEM file with the P-256 key that signs them. Without one, a key is made once and kept in the store.",
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
        "Whether the keys of `gantry token create` let in where nothing else here is set; they always do where something is.",
      ),
  }),
  workload: section({
    issuers: workloadIssuers
      .optional()
      .describe("CI systems whose jobs log in with their OIDC tokens, and what their claims grant."),
  }),
  policy: text
    .optional()
    .describe(
      "A YAML file that says who may do what in which repositories. Without one, who has logged in may do everything. Read again when it changes.",
    ),
  challenge: choice(["bearer", "basic"])
    .prefault("bearer")
    .describe(
      "How clients are told to log in: for a token of `/token`, where the address by which they reach this server is known (`http.host`, `http.trustedproxies`), or with name and password at each request. Names and passwords are taken both ways.",
    ),
})
  .refine(({ token: outside, htpasswd: users }) => outside === undefined || users === undefined, {
    message: "choose auth.token or auth.htpasswd: clients are sent to one place to log in",
    path: ["token"],
  })
  .refine(
    ({ workload, policy }) =>
      policy !== undefined || workload.issuers?.every(({ rules }) => rules !== undefined) !== false,
    {
      message: "an issuer without rules needs auth.policy: else its jobs could do nothing",
      path: ["workload", "issuers"],
    },
  );

export type AuthSettings = z.output<typeof auth>;
