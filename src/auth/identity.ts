/**
 * Who a caller is, and the ports by which one is found out. Every way to log in ends in an `Identity`;
 * what one may do is the policy's business, but for what the identity itself is limited to.
 */
import type { Permission } from "../domain/permission.js";
import type { RepositoryName } from "../domain/repository-name.js";

export type { Permission };

export type IdentityKind = "anonymous" | "user" | "robot" | "workload" | "certificate" | "outside";

/** Stable and unique: upload sessions, limits and the audit log know the caller by it. */
export type Subject = "anonymous" | `${Exclude<IdentityKind, "anonymous">}:${string}`;

export interface Identity {
  readonly kind: IdentityKind;
  readonly subject: Subject;
  /** The user's, robot's or certificate's name, without its kind. */
  readonly name: string;
  /** Groups that the policy file may name. */
  readonly groups: readonly string[];
  /**
   * Of what it was verified against: the user's entry, the robot's key. It changes when that is changed or made
   * anew, so that `isCurrent` can tell, and goes into tokens. It tells nothing of the secret; empty for kinds that
   * are verified against nothing that is kept.
   */
  readonly version: string;
  /** What an issuer says of a CI job, such as `repository` or `ref`; empty for others. */
  readonly claims: Readonly<Record<string, string>>;
  /** What a robot, a CI job or an outside issuer's token is made for; the policy may grant no more. `undefined`: no limit. */
  readonly limit: Grants | undefined;
  /** Whether `limit` alone decides, and the policy is not asked: an outside issuer has asked its own. */
  readonly limitDecides: boolean;
  /** What the bearer token that the caller came with says, which narrows all else; `undefined` where there was none. */
  readonly token: TokenAccess | undefined;
}

/** A set of permissions on repositories, with all that each brings with it. */
export interface Grants {
  allows(permission: Permission, name: RepositoryName): boolean;
}

/** The `access` of a bearer token (distribution's token documents): the actions that it names, and no more. */
export interface TokenAccess extends Grants {
  /** Whether it has `registry:catalog:*`. */
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

/** A caller who comes with credentials, as a verifier tells of it to whoever counts those who guess. */
export interface Attempt {
  /** To be called before a check that costs much. Throws `too-many-requests` to keep it from that. */
  begin(): void;
  /** To be called where a check has found that the caller has made the credentials up: once, however many wait for it. */
  fail(): void;
}

/** One kind of name and password: users of an htpasswd file, robots, CI jobs. */
export interface PasswordVerifier {
  /**
   * The identity; `undefined` where name and password are not one of this kind, or are wrong. Synchronous where
   * they were verified a short while ago. Throws or rejects with `unauthorized` where they can be of this kind only
   * and are wrong.
   */
  verify(
    user: string,
    password: string,
    attempt?: Attempt,
  ): Identity | undefined | Promise<Identity | undefined>;
  /**
   * Whether an identity that was verified earlier is one still: asked for on each request that comes with a
   * token, so that who is revoked is out at once. Of a kind that the verifier does not know: `undefined`.
   */
  isCurrent(identity: Identity): boolean | undefined;
}

/** Bearer tokens of one issuer. */
export interface TokenVerifier {
  /** The identity; `undefined` where the token is not this issuer's. Throws or rejects with `unauthorized`. */
  verify(token: string, attempt?: Attempt): Identity | undefined | Promise<Identity | undefined>;
}
