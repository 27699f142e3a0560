/**
 * The one authorization gate. A use-case asks for a permit of its kind, only the gate makes permits, and it
 * makes one where the caller's token, what the caller is limited to, and the policy all agree: a route that
 * forgets to ask does not compile. The decision depends on names alone, never on what is stored, so that
 * who may not see a repository cannot tell whether it is there.
 */
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Identity, Permission } from "./identity.js";
import type { Policy } from "./policy.js";

/** What a route does. `base` is the API's own root, by which clients find out whether they must log in. */
export type Action = "base" | "pull" | "push" | "delete" | "catalog" | "token" | "metrics";

/** Known to this file only, so that no other can write a permit down. */
declare const granted: unique symbol;

interface Granted<A extends Action> {
  readonly [granted]: A;
  readonly identity: Identity;
}

export type BasePermit = Granted<"base">;

export interface PullPermit extends Granted<"pull"> {
  readonly name: RepositoryName;
}

export interface PushPermit extends Granted<"push"> {
  readonly name: RepositoryName;
  /** Whether tags that are there may be pointed elsewhere, not just new ones made. */
  readonly mayMoveTags: boolean;
  /** Where a blob may be mounted from: only from where the caller could have pulled it. */
  readonly sources: MountSources;
}

export interface DeletePermit extends Granted<"delete"> {
  readonly name: RepositoryName;
}

export interface CatalogPermit extends Granted<"catalog"> {
  readonly shown: Visible;
}

/** Anybody may ask for a token: what it is for is what the caller may do. */
export type TokenPermit = Granted<"token">;

export type MetricsPermit = Granted<"metrics">;

/** The repositories that a caller may pull from. */
export interface Visible {
  /** Whether it is every one. */
  readonly all: boolean;
  has(name: RepositoryName): boolean;
}

export interface MountSources extends Visible {
  /** As `has`. Throws `insufficient-scope` where another token would let the caller pull from there. */
  ask(name: RepositoryName): boolean;
}

export interface Permits {
  readonly base: BasePermit;
  readonly pull: PullPermit;
  readonly push: PushPermit;
  readonly delete: DeletePermit;
  readonly catalog: CatalogPermit;
  readonly token: TokenPermit;
  readonly metrics: MetricsPermit;
}

/** Actions that are about one repository. */
export type NamedAction = "pull" | "push" | "delete";

export class Gate {
  /** `policy` is the one in force: whoever reads its file puts another in its place. */
  constructor(public policy: Policy) {}

  /** Throws `unauthorized` where logging in, or a token with more scope, may help; else `denied`. */
  base(identity: Identity): BasePermit {
    // Clients learn here how to log in; were it open, they would never send what they have for a push.
    if (identity.kind === "anonymous" && identity.token === undefined && !this.policy.open)
      throw loginNeeded();
    return grant<"base">({ identity });
  }

  /** Throws as `base`. */
  pull(identity: Identity, name: RepositoryName): PullPermit {
    this.#demand(identity, "pull", name, "pull");
    return grant<"pull">({ identity, name });
  }

  /** Throws as `base`. */
  push(identity: Identity, name: RepositoryName): PushPermit {
    const mayMoveTags = this.#may(identity, "push", name);
    // The lesser of the two, which `push` brings with it.
    this.#demand(identity, "create-tag", name, "push");
    const sources = { ...this.#visible(identity, "with-token"), ask: this.#askFor(identity) };
    return grant<"push">({ identity, name, mayMoveTags, sources });
  }

  /** Throws as `base`. */
  delete(identity: Identity, name: RepositoryName): DeletePermit {
    this.#demand(identity, "delete", name, "delete");
    return grant<"delete">({ identity, name });
  }

  /** Throws as `base`. What is listed is what the caller may pull, whichever token it came with. */
  catalog(identity: Identity): CatalogPermit {
    if (identity.token !== undefined && !identity.token.catalog) throw moreScopeNeeded();
    if (!this.mayList(identity)) throw loginNeeded();
    return grant<"catalog">({ identity, shown: this.#visible(identity, "without-token") });
  }

  token(identity: Identity): TokenPermit {
    return grant<"token">({ identity });
  }

  /** Throws `unauthorized` where a name and password may help; else `denied`. */
  metrics(identity: Identity): MetricsPermit {
    const isOfRepositories = identity.token !== undefined || identity.limit !== undefined;
    if (!isOfRepositories && this.policy.allowsMetrics(identity)) return grant<"metrics">({ identity });
    if (identity.kind === "anonymous" || identity.token !== undefined) throw loginNeeded();
    throw new RegistryError("denied", `${identity.subject} may not read the metrics`);
  }

  /** Whether there may be anything that the catalog shows to the caller. */
  mayList(identity: Identity): boolean {
    return identity.kind !== "anonymous" || this.policy.letsAnonymousPull;
  }

  /** What the caller may do in the repository, for a token that is being made. */
  may(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    return this.#may(identity, permission, name);
  }

  #may(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    if (identity.token !== undefined && !identity.token.allows(permission, name)) return false;
    return this.#mayWithAnyToken(identity, permission, name);
  }

  #mayWithAnyToken(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    if (identity.limit !== undefined && !identity.limit.allows(permission, name)) return false;
    return identity.limitDecides || this.policy.allows(identity, permission, name);
  }

  /** Throws the error of an `action` that the caller lacks the permission for. */
  #demand(identity: Identity, permission: Permission, name: RepositoryName, action: Action): void {
    if (this.#may(identity, permission, name)) return;
    if (identity.token !== undefined && this.#mayWithAnyToken(identity, permission, name))
      throw moreScopeNeeded();
    if (identity.kind === "anonymous") throw loginNeeded();
    throw new RegistryError("denied", `${identity.subject} may not ${action} here`, { name });
  }

  #askFor(identity: Identity): MountSources["ask"] {
    return (name) => {
      if (this.#may(identity, "pull", name)) return true;
      // What an outside issuer would put into a token, it alone knows: a client that asked again might ask in vain.
      const mayGetToken = identity.token !== undefined && identity.kind !== "outside";
      if (mayGetToken && this.#mayWithAnyToken(identity, "pull", name)) throw moreScopeNeeded();
      return false;
    };
  }

  #visible(identity: Identity, token: "with-token" | "without-token"): Visible {
    const may = (name: RepositoryName) =>
      token === "with-token"
        ? this.#may(identity, "pull", name)
        : this.#mayWithAnyToken(identity, "pull", name);
    return {
      all: this.policy.open && identity.limit === undefined && identity.token === undefined,
      has: may,
    };
  }
}

function grant<A extends Action>(permit: Omit<Permits[A], typeof granted>): Permits[A] {
  return permit as Permits[A];
}

function loginNeeded(): RegistryError {
  return new RegistryError("unauthorized", "authentication required");
}

function moreScopeNeeded(): RegistryError {
  return new RegistryError("insufficient-scope", "the token is not for this");
}
