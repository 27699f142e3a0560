/** The settings of upstream registries, as the cache uses them. */

/** One registry to cache. Times are in seconds. */
export interface UpstreamSettings {
  readonly name: string;
  readonly url: URL;
  readonly prefix: string;
  readonly namespace: string | undefined;
  readonly isDefault: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly realmHosts: readonly string[];
  readonly redirectHosts: readonly string[];
  readonly tagSeconds: number;
  readonly keptSeconds: number;
  /** Maximum rate of what is fetched; `undefined` for none. */
  readonly bytesPerSecond: number | undefined;
  readonly platforms: readonly string[];
}

/** What all upstreams share. */
export interface UpstreamOptions {
  /** In milliseconds. */
  readonly times: {
    /** Limit for a response to begin, if nothing is cached. */
    readonly answer: number;
    /** The same, if there is something to serve instead. */
    readonly stale: number;
  };
  /** Whether no upstream is asked. */
  readonly offline: boolean;
  /** Called with the name of an upstream that refuses the configured credentials, and again if it still does much later. */
  readonly onCredentialsRefused: (upstream: string) => void;
}
