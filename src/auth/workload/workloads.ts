/**
 * CI jobs, which come with the token that their own CI system signed as the password (OpenID Connect: GitHub Actions,
 * GitLab CI and others). The user name says nothing and may be any. A job gets what the rules of its issuer grant to
 * its claims, and where none does it is nobody; of an issuer without rules, what the policy grants to its claims. A
 * token may be used again until it expires: a job pushes and pulls many times.
 */
import type { JWTPayload } from "jose";

import { TooManyRequests } from "../../domain/errors.js";
import { describeError } from "../../lib/describe-error.js";
import { HitCounts } from "../../lib/hit-counts.js";
import type { Attempt, Grants, Identity, PasswordVerifier } from "../identity.js";
import { algorithms } from "../tokens/algorithms.js";
import { claimedIssuer, type KeySource, refused, verifyJwt } from "../tokens/jwt.js";

import { VerifiedTokens } from "../tokens/verified-tokens.js";
import { type CompiledRule, claimsIn, compileRule, grantsOf, type WorkloadRule } from "./rules.js";

export interface WorkloadIssuer {
  /** Short, and part of who the job is: `github` makes `workload:github:repo:…`. */
  readonly name: string;
  /** As in the tokens' `iss`. */
  readonly issuer: string;
  /** One of which the token has to be made for. */
  readonly audience: readonly string[];
  readonly keys: KeySource;
  /** Absent where it is for the policy to decide. */
  readonly rules?: readonly WorkloadRule[] | undefined;
}

export interface WorkloadsOptions {
  readonly issuers: readonly WorkloadIssuer[];
  /** Told why a token of a known issuer was refused, for whoever looks why a job cannot push. */
  readonly onRefused: (issuer: string, reason: string) => void;
}

interface Trusted extends Omit<WorkloadIssuer, "rules"> {
  readonly rules: readonly CompiledRule[] | undefined;
  readonly verified: VerifiedTokens;
  /**
   * Claims that rules ask for, who says them, and what tells an operator which job it was; others are forgotten.
   * `undefined` for all of them: what the policy asks for may change.
   */
  readonly kept: ReadonlySet<string> | undefined;
}

const tellingClaims = [
  "iss",
  ...["repository", "ref", "environment", "actor", "run_id"],
  ...["project_path", "pipeline_id", "job_id", "user_login"],
];

/** The subject is told in logs and kept with each upload. */
const subjectCharactersMax = 1024;

export class Workloads implements PasswordVerifier {
  readonly lookups = new HitCounts();
  readonly #byIssuer: ReadonlyMap<string, Trusted>;

  constructor(readonly options: WorkloadsOptions) {
    this.#byIssuer = new Map(
      options.issuers.map((issuer) => {
        const kept = issuer.rules && new Set([...tellingClaims, ...issuer.rules.flatMap(claimsOfRule)]);
        const rules = issuer.rules?.map(compileRule);
        return [issuer.issuer, { ...issuer, rules, verified: new VerifiedTokens(this.lookups), kept }];
      }),
    );
  }

  verify(_user: string, password: string, attempt?: Attempt): Identity | undefined | Promise<Identity> {
    const issuer = this.#byIssuer.get(claimedIssuer(password) ?? "");
    if (issuer === undefined) return undefined;
    const { generation } = issuer.keys;
    return issuer.verified.get(password, generation) ?? this.#verify(issuer, password, generation, attempt);
  }

  /** A job is known by a token that expires soon, and its issuer as long as it is configured. */
  isCurrent(identity: Identity): boolean | undefined {
    return identity.kind === "workload" ? this.#issuerOf(identity) !== undefined : undefined;
  }

  /** What rules grant to a job that was verified earlier; `undefined` where it is none, or there are none for it. */
  limitOf(identity: Identity): Grants | undefined {
    const issuer = identity.kind === "workload" ? this.#issuerOf(identity) : undefined;
    return issuer?.rules && grantsOf(issuer.rules, identity.claims);
  }

  #issuerOf({ claims }: Identity): Trusted | undefined {
    return this.#byIssuer.get(claims.iss ?? "");
  }

  async #verify(
    issuer: Trusted,
    token: string,
    generation: number,
    attempt: Attempt | undefined,
  ): Promise<Identity> {
    try {
      const verified = await verifyJwt(token, { ...issuer, algorithms }, attempt);
      const identity = this.#identityOf(issuer, verified.claims);
      issuer.verified.keep(token, generation, verified, identity);
      return identity;
    } catch (error) {
      if (!(error instanceof TooManyRequests)) this.options.onRefused(issuer.name, describeError(error));
      throw error;
    }
  }

  #identityOf({ name, rules, kept }: Trusted, payload: JWTPayload): Identity {
    const { sub } = payload;
    if (typeof sub !== "string" || sub === "" || sub.length > subjectCharactersMax)
      throw refused("it says of no job that it is about it");
    const claims = textsOf(payload, kept);
    const limit = rules && grantsOf(rules, claims);
    if (rules !== undefined && limit === undefined) throw refused("no rule grants anything to this job");
    return {
      kind: "workload",
      subject: `workload:${name}:${sub}`,
      name: `${name}:${sub}`,
      groups: [],
      version: "",
      claims,
      limit,
      limitDecides: rules !== undefined,
      token: undefined,
    };
  }
}

function claimsOfRule({ claims, repositories }: WorkloadRule): string[] {
  return [...Object.keys(claims), ...repositories.flatMap(claimsIn)];
}

/** Claims that are text, or are as well as text (`ref_protected` is `"true"` with one issuer and `true` with another). */
function textsOf(payload: JWTPayload, kept: ReadonlySet<string> | undefined): Record<string, string> {
  const texts = Object.entries(payload).filter(
    ([name, value]) => kept?.has(name) !== false && ["string", "number", "boolean"].includes(typeof value),
  );
  return Object.fromEntries(texts.map(([name, value]) => [name, String(value)]));
}
