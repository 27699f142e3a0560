/**
 * The only authorization gate. Every use-case requires a permit of its kind, and only the gate creates permits, so a route
 * that forgets to ask does not compile. The gate grants a permit if the caller's token, the caller's own limit and the policy
 * all allow it. The decision depends on names only, never on what is stored: a caller who may not see a repository cannot find
 * out whether it exists.
 */
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Identity, Permission } from "./identity.js";
import type { Policy } from "./policy.js";

/** The action of a route. `base` is the root of the API, where clients find out whether they must log in. */
export type Action =
  | "base"
  | "pull"
  | "push"
  | "delete"
  | "catalog"
  | "token"
  | "metrics"
  | "page"
  | "login"
  | "robots";

/** Private to this file, so that no other code can construct a permit. */
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
  /** Whether existing tags may be moved, rather than only new ones created. */
  readonly mayMoveTags: boolean;
  /** The repositories that a blob may be mounted from: those that the caller may pull from. */
  readonly sources: MountSources;
}

export interface DeletePermit extends Granted<"delete"> {
  readonly name: RepositoryName;
}

export interface CatalogPermit extends Granted<"catalog"> {
  readonly shown: Visible;
  /** The policy that decided; another object after each change of its file. For caches of what is shown. */
  readonly policy: Policy;
}

/** Anyone may ask for a token. It grants only what the caller may do. */
export type TokenPermit = Granted<"token">;

/** The figures are about all repositories. */
export interface MetricsPermit extends Granted<"metrics"> {
  /** The repositories whose names may be beside their figures. */
  readonly shown: Visible;
}

/** Anyone may look at a page that shows nothing of the content, such as the login. */
export interface PagePermit extends Granted<"page"> {
  /** Absent if the caller may see no repository at all. */
  readonly catalog: CatalogPermit | undefined;
}

/** Anyone may try to log in to the web page, and log out. */
export type LoginPermit = Granted<"login">;

/** Its holder may create robots with any permissions, and revoke them. */
export type RobotsPermit = Granted<"robots">;

/** The repositories that a caller may pull from. */
export interface Visible {
  /** Whether these are all repositories. */
  readonly all: boolean;
  has(name: RepositoryName): boolean;
}

export interface MountSources extends Visible {
  /** Like `has`, but throws `insufficient-scope` if another token would allow the pull. */
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
  readonly page: PagePermit;
  readonly login: LoginPermit;
  readonly robots: RobotsPermit;
}

/** Actions on one repository. */
export type NamedAction = "pull" | "push" | "delete";

export class Gate {
  /**
   * `policy` is the policy in force. It is replaced when its file changes. `isMirrored` tells which repositories belong to an
   * upstream registry: nobody may push to them, whatever the policy says.
   */
  constructor(
    public policy: Policy,
    readonly isMirrored: (name: RepositoryName) => boolean = () => false,
  ) {}

  /** Throws `unauthorized` if logging in or a token with more scope may help, and `denied` otherwise. */
  base(identity: Identity): BasePermit {
    // Clients learn here how to log in. If it were open, they would not send their credentials for a push.
    if (identity.kind === "anonymous" && identity.token === undefined && !this.policy.open)
      throw loginNeeded();
    return grant<"base">({ identity });
  }

  /** Throws like `base`. */
  pull(identity: Identity, name: RepositoryName): PullPermit {
    this.#demand(identity, "pull", name, "pull");
    return grant<"pull">({ identity, name });
  }

  /** Throws like `base`. */
  push(identity: Identity, name: RepositoryName): PushPermit {
    if (this.isMirrored(name))
      throw new RegistryError(
        "denied",
        "this repository belongs to an upstream registry: its images can be pulled here, but not pushed",
        { name },
      );
    const mayMoveTags = this.#may(identity, "push", name);
    // The weaker permission, which `push` includes.
    this.#demand(identity, "create-tag", name, "push");
    const sources = { ...this.#visible(identity, "with-token"), ask: this.#askFor(identity) };
    return grant<"push">({ identity, name, mayMoveTags, sources });
  }

  /** Throws like `base`. */
  delete(identity: Identity, name: RepositoryName): DeletePermit {
    this.#demand(identity, "delete", name, "delete");
    return grant<"delete">({ identity, name });
  }

  /** Throws like `base`. The catalog lists what the caller may pull, whatever the scope of the token. */
  catalog(identity: Identity): CatalogPermit {
    if (identity.token !== undefined && !identity.token.catalog) throw moreScopeNeeded();
    if (!this.mayList(identity)) throw loginNeeded();
    return grant<"catalog">({
      identity,
      shown: this.#visible(identity, "without-token"),
      policy: this.policy,
    });
  }

  token(identity: Identity): TokenPermit {
    return grant<"token">({ identity });
  }

  /** Throws `unauthorized` if a name and password may help, and `denied` otherwise. */
  metrics(identity: Identity): MetricsPermit {
    if (this.mayReadMetrics(identity))
      return grant<"metrics">({ identity, shown: this.#visible(identity, "without-token") });
    if (identity.kind === "anonymous" || identity.token !== undefined) throw loginNeeded();
    throw new RegistryError("denied", `${identity.subject} may not read the metrics`);
  }

  /** Returns whether `metrics` grants its permit. */
  mayReadMetrics(identity: Identity): boolean {
    const isOfRepositories = identity.token !== undefined || identity.limit !== undefined;
    return !isOfRepositories && this.policy.allowsMetrics(identity);
  }

  page(identity: Identity): PagePermit {
    return grant<"page">({ identity, catalog: this.mayList(identity) ? this.catalog(identity) : undefined });
  }

  login(identity: Identity): LoginPermit {
    return grant<"login">({ identity });
  }

  /** Throws `unauthorized` if a login may help, and `denied` otherwise. */
  robots(identity: Identity): RobotsPermit {
    if (this.mayManageRobots(identity)) return grant<"robots">({ identity });
    if (identity.kind === "anonymous") throw loginNeeded();
    throw new RegistryError("denied", `${identity.subject} may not manage robots`);
  }

  /** Credentials that are limited to repositories never may: a robot could give itself more. */
  mayManageRobots(identity: Identity): boolean {
    const isLimited = identity.token !== undefined || identity.limit !== undefined || identity.limitDecides;
    return !isLimited && this.policy.allowsRobots(identity);
  }

  /** Returns whether the catalog may show the caller anything. */
  mayList(identity: Identity): boolean {
    return identity.kind !== "anonymous" || this.policy.letsAnonymousPull;
  }

  /** Returns the permissions of the caller in the repository, for a token that is being issued. */
  may(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    return this.#may(identity, permission, name);
  }

  #may(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    if (identity.token !== undefined && !identity.token.allows(permission, name)) return false;
    return this.#mayWithAnyToken(identity, permission, name);
  }

  #mayWithAnyToken(identity: Identity, permission: Permission, name: RepositoryName): boolean {
    if (isWriting(permission) && this.isMirrored(name)) return false;
    if (identity.limit !== undefined && !identity.limit.allows(permission, name)) return false;
    return identity.limitDecides || this.policy.allows(identity, permission, name);
  }

  /** Throws the error for an `action` that the caller has no permission for. */
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
      // Only the outside issuer knows what it would grant, so asking it again might be in vain.
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

function isWriting(permission: Permission): boolean {
  return permission === "push" || permission === "create-tag";
}

function grant<A extends Action>(permit: Omit<Permits[A], typeof granted>): Permits[A] {
  return permit as Permits[A];
}

function loginNeeded(): RegistryError {
  return new RegistryError("unauthorized", "authentication required");
}

function moreScopeNeeded(): RegistryError {
  return new RegistryError("insufficient-scope", "the token does not allow this");
}
