/**
 * Decides which names belong to upstream registries. The names are divided by the settings alone, never by what is stored, so
 * a pushed image can never hide an upstream's, nor the reverse (dependency confusion):
 *
 * - `?ns=HOST`, which containerd and BuildKit send to a mirror, selects the upstream of that name, and nothing else.
 * - A name below the prefix of an upstream belongs to it.
 * - With a default upstream, all other names belong to it, except those that match a local pattern.
 * - The rest is local: pushed here, and never looked for elsewhere.
 *
 * A name of an upstream is stored below its prefix, whichever way it was requested. This canonical name is the one that
 * the gate decides about.
 */
import { RegistryError } from "../domain/errors.js";
import { parseRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import type { Matcher } from "../lib/glob.js";

/** The part of an upstream's settings that divides the names. */
export interface NamedUpstream {
  /** Host by which images name the registry. */
  readonly name: string;
  readonly prefix: string;
  /** Whether names without a prefix belong to it. */
  readonly isDefault: boolean;
}

/** Docker Hub puts official images into `library/`, and clients may leave that out. */
export const hub = "docker.io";
const official = "library";

export interface Owned<U> {
  readonly upstream: U;
  /** The name of the repository at the upstream, without its `namespace`. */
  readonly remote: string;
}

export class UpstreamNames<U extends NamedUpstream> {
  readonly #byName: ReadonlyMap<string, U>;
  /** The upstream of names without a prefix; absent if these are local. */
  readonly default: U | undefined;

  constructor(
    readonly upstreams: readonly U[],
    readonly isLocal: Matcher,
  ) {
    this.#byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
    this.default = upstreams.find(({ isDefault }) => isDefault);
  }

  /**
   * Returns the canonical name for a requested one. `namespace` is the request's `ns`, and `host` the name by which the
   * client reached this server. Throws `name-unknown` if `namespace` names neither an upstream nor this server, and
   * `name-invalid` if the canonical name is too long.
   */
  canonical(name: RepositoryName, namespace: string | undefined, host: string): RepositoryName {
    const selected = namespace === undefined ? undefined : this.#byName.get(namespace);
    if (selected !== undefined) return stored(selected, name);
    if (namespace !== undefined && namespace !== host)
      throw new RegistryError("name-unknown", `${namespace} is not an upstream of this registry`, { name });
    const owned = this.ownerOf(name);
    if (owned !== undefined) return stored(owned.upstream, owned.remote);
    return this.default === undefined || this.isLocal(name) ? name : stored(this.default, name);
  }

  /** Whether a stored repository cannot be requested, because its name belongs to the default upstream. */
  hides(name: RepositoryName): boolean {
    return this.default !== undefined && this.ownerOf(name) === undefined && !this.isLocal(name);
  }

  /** Returns the upstream below whose prefix the name lies; `undefined` for a local one. */
  ownerOf(name: RepositoryName): Owned<U> | undefined {
    for (const upstream of this.upstreams)
      if (name.startsWith(`${upstream.prefix}/`))
        return { upstream, remote: name.slice(upstream.prefix.length + 1) };
    return undefined;
  }
}

function stored({ name, prefix }: NamedUpstream, remote: string): RepositoryName {
  const full = name === hub && !remote.includes("/") ? `${official}/${remote}` : remote;
  return parseRepositoryName(`${prefix}/${full}`);
}
