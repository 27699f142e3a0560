/**
 * Authenticates CI jobs, whose password is a token signed by their CI system (OpenID Connect: GitHub Actions, GitLab CI and
 * others). The user name is ignored. A job gets what its issuer's rules grant to its claims, and is refused if no rule
 * matches. For an issuer without rules, the policy decides by the claims. A token may be used until it expires, because a
 * job pushes and pulls many times.
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
  /** Short, and part of the job's identity: `github` results in `workload:github:repo:…`. */
  readonly name: string;
  /** As in the tokens' `iss`. */
  readonly issuer: string;
  /** The token must have one of these audiences. */
  readonly audience: readonly string[];
  readonly keys: KeySource;
  /** Absent if the policy decides. */
  readonly rules?: readonly WorkloadRule[] | undefined;
}

export interface WorkloadsOptions {
  readonly issuers: readonly WorkloadIssuer[];
  /** Called with the reason when a token of a known issuer is refused, for operators who investigate a failing job. */
  readonly onRefused: (issuer: string, reason: string) => void;
}

interface Trusted extends Omit<WorkloadIssuer, "rules"> {
  readonly rules: readonly CompiledRule[] | undefined;
  readonly verified: VerifiedTokens;
  /**
   * Claims to keep: those in rules, and those that identify the job and its owner. `undefined` keeps all, because the policy
   * may change.
   */
  readonly kept: ReadonlySet<string> | undefined;
}

const tellingClaims = [
  "iss",
  ...["repository", "ref", "environment", "actor", "run_id"],
  ...["project_path", "pipeline_id", "job_id", "user_login"],
];

/** The subject is logged and stored with each upload. */
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

  /** A job is current while its token is valid, which expires soon, and while its issuer is configured. */
  isCurrent(identity: Identity): boolean | undefined {
    return identity.kind === "workload" ? this.#issuerOf(identity) !== undefined : undefined;
  }

  /** Returns what rules grant to a verified job, or `undefined` for other identities or an issuer without rules. */
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
      throw refused("it has no valid sub claim");
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

/**
 * Returns the claims that are text or can be converted (`ref_protected` is `"true"` with one issuer and `true` with
 * another).
 */
function textsOf(payload: JWTPayload, kept: ReadonlySet<string> | undefined): Record<string, string> {
  const texts = Object.entries(payload).filter(
    ([name, value]) => kept?.has(name) !== false && ["string", "number", "boolean"].includes(typeof value),
  );
  return Object.fromEntries(texts.map(([name, value]) => [name, String(value)]));
}
