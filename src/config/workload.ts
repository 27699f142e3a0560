/** The settings for CI jobs that log in with tokens of their CI system: trusted issuers and the access they grant. */
import { z } from "zod";
import { pinningClaims, repositoriesFault } from "../auth/workload/rules.js";
import { glob } from "./globs.js";
import { issuerUrl } from "./issuer-url.js";

function listOrOne(text: z.ZodType<string, string>) {
  return z.union([text.transform((one) => [one]), z.array(text).min(1).max(100)]);
}

const texts = listOrOne(z.string().min(1));

/** A repository pattern that may contain claims. */
const template = z.string().superRefine((pattern, context) => {
  const message = repositoriesFault(pattern);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const rule = z.strictObject({
  claims: z
    .record(z.string(), listOrOne(glob))
    .refine(
      (claims) => pinningClaims.some((name) => Object.hasOwn(claims, name)),
      `needs one of ${pinningClaims.join(", ")}: without one, the rule would admit the jobs of all the issuer's customers`,
    )
    .describe("Claims that the token must have. The claim's value must match one of the given patterns."),
  repositories: listOrOne(template).describe(
    "Repository patterns to which the rule grants access. `{claim}` stands for the value of a claim.",
  ),
  permissions: z
    .array(z.enum(["pull", "push", "create-tag", "delete", "admin"]))
    .min(1)
    .describe("Granted permissions: `pull`, `push`, `create-tag`, `delete`, `admin`."),
});

const issuer = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 lower-case letters, digits and hyphens")
      .describe("Your name for the CI system. The user names of its jobs start with it."),
    issuer: issuerUrl.describe("Issuer URL in its tokens (`iss`)."),
    audience: texts.describe("Names of this registry. A token must be issued for one of them (`aud`)."),
    jwks: z
      .string()
      .min(1)
      .optional()
      .describe("A file with the keys that sign the tokens. By default, Gantry fetches the keys."),
    jwksuri: issuerUrl
      .optional()
      .describe("URL of the keys. By default, Gantry takes it from the issuer's OpenID configuration."),
    ca: z
      .string()
      .min(1)
      .optional()
      .describe("A PEM file with the CA of the server from which Gantry fetches the keys."),
    rules: z
      .array(rule)
      .min(1)
      .max(1000)
      .optional()
      .describe(
        "What jobs may do, by the claims of their tokens. By default, the rules for claims in `auth.policy` apply.",
      ),
  })
  .refine(
    ({ jwks, jwksuri, ca }) => jwks === undefined || (jwksuri === undefined && ca === undefined),
    "jwks names a local file; remove it, or remove jwksuri and ca, which are for fetched keys",
  );

export const workloadIssuers = z
  .array(issuer)
  .max(100)
  .refine(
    (issuers) =>
      new Set(issuers.map(({ name }) => name)).size === issuers.length &&
      new Set(issuers.map((one) => one.issuer)).size === issuers.length,
    "two issuers have the same name or URL",
  );

export type WorkloadIssuerSettings = z.output<typeof issuer>;
