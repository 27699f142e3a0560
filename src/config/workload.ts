/** The settings for CI jobs that come with tokens of their own CI system: whom to trust, and what for. */
import { isIP } from "node:net";
import { z } from "zod";
import { pinningClaims, repositoriesFault } from "../auth/workload/rules.js";
import { glob } from "./globs.js";

function listOrOne(text: z.ZodType<string, string>) {
  return z.union([text.transform((one) => [one]), z.array(text).min(1).max(100)]);
}

const texts = listOrOne(z.string().min(1));

/** A pattern of repositories with claims in it. */
const template = z.string().superRefine((pattern, context) => {
  const message = repositoriesFault(pattern);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

/** Keys over plain HTTP could be anybody's: between processes of one machine it may be. */
const url = z
  .string()
  .refine(isTrustworthy, "expected an https:// URL, or an http:// one of a loopback address");

function isTrustworthy(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username !== "" || password !== "" || search !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}

const rule = z.strictObject({
  claims: z
    .record(z.string(), listOrOne(glob))
    .refine(
      (claims) => pinningClaims.some((name) => Object.hasOwn(claims, name)),
      `needs one of ${pinningClaims.join(", ")}: else it would let in the jobs of everybody whom the issuer signs for`,
    )
    .describe("Claims that the token must have, each with the values of which one must be it; patterns."),
  repositories: listOrOne(template).describe(
    "The repositories of the grant, as patterns; `{claim}` is the value of a claim.",
  ),
  permissions: z
    .array(z.enum(["pull", "push", "create-tag", "delete", "admin"]))
    .min(1)
    .describe("What is granted there: `pull`, `push`, `create-tag`, `delete`, `admin`."),
});

const issuer = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 lower-case letters, digits and hyphens")
      .describe("A name of yours for the CI system, which its jobs' names begin with."),
    issuer: url.describe("The URL that its tokens name (`iss`)."),
    audience: texts.describe("Names of this registry, of which the tokens must be made for one (`aud`)."),
    jwks: z
      .string()
      .min(1)
      .optional()
      .describe("A file with the keys that sign the tokens. Without it they are fetched."),
    jwksuri: url
      .optional()
      .describe("Where the keys are fetched. Without it, the issuer's OpenID configuration says."),
    ca: z.string().min(1).optional().describe("A PEM file with the CA of the server that has the keys."),
    rules: z
      .array(rule)
      .min(1)
      .max(1000)
      .optional()
      .describe(
        "What jobs may do, by the claims of their tokens. Without it, the rules of `auth.policy` for claims say so.",
      ),
  })
  .refine(
    ({ jwks, jwksuri, ca }) => jwks === undefined || (jwksuri === undefined && ca === undefined),
    "jwks says where the keys are: jwksuri and ca are for keys that are fetched",
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
