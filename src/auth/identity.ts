/**
 * The identity of a caller, and the ports that establish it. Every way to log in results in an `Identity`. The policy decides
 * what it may do, within the limit of the identity itself.
 */
import type { Permission } from "../domain/permission.js";
import type { RepositoryName } from "../domain/repository-name.js";

export type { Permission };

export type IdentityKind = "anonymous" | "user" | "robot" | "workload" | "certificate" | "outside";

/** Begins the names of users of the login server. No name in an htpasswd file has a colon. */
export const oidcPrefix = "oidc:";

/** Stable and unique: identifies the caller in upload sessions, limits and the audit log. */
export type Subject = "anonymous" | `${Exclude<IdentityKind, "anonymous">}:${string}`;

export interface Identity {
  readonly kind: IdentityKind;
  readonly subject: Subject;
  /** The name of the user, robot or certificate, without its kind. */
  readonly name: string;
  /** Groups that the policy file may name. */
  readonly groups: readonly string[];
  /**
   * The version of the stored secret: the user's entry or the robot's key. It changes with the secret, so that `isCurrent` can
   * detect that, and is stored in tokens. It reveals nothing of the secret. Empty for kinds without a stored secret.
   */
  readonly version: string;
  /** Claims about a CI job, such as `repository` or `ref`. Empty for other kinds. */
  readonly claims: Readonly<Record<string, string>>;
  /** The limit of a robot, a CI job or an outside issuer's token, which the policy cannot exceed. Undefined means no limit. */
  readonly limit: Grants | undefined;
  /** Whether `limit` alone decides, without the policy: an outside issuer has applied its own. */
  readonly limitDecides: boolean;
  /** The scope of the bearer token, which narrows everything else. Undefined without a token. */
  readonly token: TokenAccess | undefined;
}

/** Permissions on repositories, each including those that it implies. */
export interface Grants {
  allows(permission: Permission, name: RepositoryName): boolean;
}

/** The `access` of a bearer token (distribution's token documents): exactly the actions that it names. */
export interface TokenAccess extends Grants {
  /** Whether it includes `registry:catalog:*`. */
  readonly catalog: boolean;
}

export const anonymous: Identity = {
  kind: "anonymous",
  subject: "anonymous",
  name: "",
  groups: [],
  version: "",
  claims: {},
  limit: undefined,
  limitDecides: false,
  token: undefined,
};

/** Reports a login attempt to the rate limiter. */
export interface Attempt {
  /** Call this before an expensive check. Throws `too-many-requests` to prevent it. */
  begin(): void;
  /** Call this once per check that found the credentials invalid, however many requests wait for it. */
  fail(): void;
}

/** Verifies one kind of name and password: htpasswd users, robots or CI jobs. */
export interface PasswordVerifier {
  /**
   * Returns the identity, or undefined if name and password are not of this kind or are wrong. Synchronous if they were verified
   * recently. Throws or rejects with `unauthorized` if they can only be of this kind and are wrong.
   */
  verify(
    user: string,
    password: string,
    attempt?: Attempt,
  ): Identity | undefined | Promise<Identity | undefined>;
  /**
   * Returns whether an identity that was verified earlier is still valid, or undefined if it is of another kind. Called for each
   * request with a token, so that revoking takes effect at once.
   */
  isCurrent(identity: Identity): boolean | undefined;
}

/** Verifies the bearer tokens of one issuer. */
export interface TokenVerifier {
  /** Returns the identity, or undefined if the token is not from this issuer. Throws or rejects with `unauthorized`. */
  verify(token: string, attempt?: Attempt): Identity | undefined | Promise<Identity | undefined>;
}
