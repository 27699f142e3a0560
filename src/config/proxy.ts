/** `proxy`: other registries whose content this one caches, with CNCF distribution's keys for a single one. */
import type { z } from "zod";
import { isRepositoryName } from "../domain/repository-name.js";
import type { UpstreamSettings } from "../upstream/upstream-settings.js";
import { glob } from "./globs.js";
import { platform } from "./platform.js";
import { secret } from "./secret.js";
import { group, section } from "./section.js";
import { byteRate, duration, flag, integer, list, text, url } from "./values.js";

/** Docker Hub has several host names; clients name it `docker.io`. */
const hub = "docker.io";
const hubHosts: ReadonlySet<string> = new Set([
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
]);

/** `host` or `host:port`, as in the name of an image. */
const hostPattern = /^[a-z0-9.-]+(?::\d{1,5})?$/;
const host = text.regex(hostPattern, "expected a host such as ghcr.io, or host:port, in lower case");

/** The client asks for paths below `/v2/` of the host, so a path would be lost. */
const registryUrl = url.refine(
  (given) => new URL(given).pathname === "/",
  "expected a URL without a path; the path of repositories at the upstream is its `namespace`",
);

const path = text.refine(
  isRepositoryName,
  "expected a path of repositories such as ghcr.io or mirrors/quay, in lower case",
);

const credentials = {
  username: text.optional().describe("User name at the upstream. Without it, Gantry pulls anonymously."),
  password: secret().optional().describe("Password or access token of `username`."),
};

const lifetime = duration
  .prefault("168h")
  .describe(
    "Time after which cached content that nobody has pulled is removed. `0s` removes it only to keep within `proxy.maxmib`.",
  );

const upstream = group({
  name: host
    .refine(
      (name) => name === hub || !hubHosts.has(name),
      "clients name Docker Hub docker.io, so write that; its url is known",
    )
    .describe(
      "Host by which images name this registry, such as `docker.io`. Requests select it by `?ns=` or by `prefix`.",
    ),
  url: registryUrl.optional().describe("URL of the registry, by default `https://` and the name."),
  prefix: path
    .optional()
    .describe(
      "First part of the names of its repositories here, by default the name: `docker.io/library/alpine`. Required if the name has a port. No repositories may have been pushed there.",
    ),
  namespace: path
    .optional()
    .describe(
      "Path that precedes the names of repositories at the upstream, such as the project of a Harbor.",
    ),
  ...credentials,
  passwordfile: text.optional().describe("File with the password or access token, instead of `password`."),
  ca: text.optional().describe("PEM file with the CAs of the upstream's certificate."),
  realms: list(host)
    .prefault([])
    .describe(
      "Other hosts whose token servers may be asked, and receive the credentials. The upstream's own host is always allowed, and auth.docker.io for Docker Hub.",
    ),
  redirects: list(host)
    .prefault([])
    .describe(
      "Hosts to which the upstream may redirect although their addresses are less public than its own, such as an object store in a private network.",
    ),
  tagttl: duration.optional().describe("Overrides `proxy.tagttl`."),
  ttl: duration.optional().describe("Overrides `proxy.ttl`."),
  rate: byteRate
    .optional()
    .describe(
      "Maximum bytes per second that each node fetches from the upstream, such as `50MiB`. All fetches share it: each gets its part, and manifests do not wait. By default unlimited.",
    ),
  platforms: list(platform)
    .prefault([])
    .describe(
      "Platforms of which images are fetched, such as `linux/amd64`. Other images of an index count as unknown. By default all, each when it is requested.",
    ),
})
  .refine(
    ({ password, passwordfile }) => password === undefined || passwordfile === undefined,
    "has both password and passwordfile; remove one of them",
  )
  .refine(
    ({ username, password, passwordfile }) =>
      (username !== undefined) === (password !== undefined || passwordfile !== undefined),
    "a username needs a password or a passwordfile, and these need a username",
  )
  .refine(
    // A name that is no host has an error of its own.
    ({ name, prefix }) => prefix !== undefined || isRepositoryName(name) || !hostPattern.test(name),
    "a name with a port needs a prefix, because the names of repositories have no ports",
  );

const expectedTimeout = "expected a time from 1s to 10m";

const keys = section({
  upstreams: list(upstream).prefault([]).describe("Registries whose content is cached, each with a name."),
  default: host
    .optional()
    .describe(
      "Name of the upstream of all repositories whose names begin with no prefix, except those in `proxy.local`. For Docker's `registry-mirrors`, which sends no prefix.",
    ),
  local: list(glob)
    .prefault([])
    .describe(
      "Patterns of repositories that belong to this registry although there is a default upstream, such as `team/**`. They are never looked for at an upstream, and only they can be pushed.",
    ),
  remoteurl: registryUrl
    .optional()
    .describe(
      "URL of a single upstream for everything, as in CNCF distribution. `proxy.local` is not needed.",
    ),
  ...credentials,
  ttl: lifetime,
  tagttl: duration
    .prefault("10m")
    .describe("Time for which a cached tag is served without asking its upstream."),
  absentttl: duration
    .prefault("30s")
    .describe("Time for which Gantry remembers that an upstream does not have a manifest, tag or blob."),
  timeout: duration
    .refine((seconds) => seconds >= 1 && seconds <= 600, expectedTimeout)
    .prefault("30s")
    .describe(
      "Time limit for a response of an upstream to begin, if nothing is cached, and for pauses within a blob.",
    ),
  staletimeout: duration
    .refine((seconds) => seconds <= 600, "expected a time of up to 10m")
    .prefault("3s")
    .describe("Time limit for asking about a cached tag; after that, the cached one is served."),
  offline: flag
    .prefault("false")
    .describe("Serves only what is cached, and asks no upstream. Cached tags stay as they are."),
  blobmib: integer({ min: 1, max: 1_000_000_000 })
    .prefault("20480")
    .describe(
      "Maximum size of one blob of an upstream in MiB. A larger one is not fetched, so that an upstream cannot fill the disk by a blob without an end. Registries such as Docker Hub allow layers of 10 GiB.",
    ),
  maxmib: integer({ min: 0, max: 1_000_000_000 })
    .prefault("0")
    .describe(
      "Maximum size of cached content in MiB. The content that was not pulled for the longest time is removed first. `0` sets no limit.",
    ),
});

export type ProxySettings = z.output<typeof keys>;

export const proxy = keys
  .superRefine((given, context) => {
    const names = given.upstreams.map(({ name }) => name);
    const overlap = overlapOf(upstreamsOf(given));
    if (overlap !== undefined) context.addIssue({ code: "custom", path: ["upstreams"], message: overlap });
    if (given.remoteurl !== undefined && given.default !== undefined)
      context.addIssue({
        code: "custom",
        path: ["default"],
        message: "remoteurl sets the default upstream; remove one of them",
      });
    if (given.default !== undefined && !names.includes(given.default))
      context.addIssue({
        code: "custom",
        path: ["default"],
        message: `no upstream has this name; ${names.length === 0 ? "there are none" : `there are ${names.join(", ")}`}`,
      });
    if ((given.username !== undefined || given.password !== undefined) && given.remoteurl === undefined)
      context.addIssue({
        code: "custom",
        path: ["username"],
        message: "belongs to proxy.remoteurl; for an upstream of the list, use its own username and password",
      });
  })
  .describe("Other registries whose content this one caches (pull-through cache).");

/** Says which upstreams have the same name, or prefixes that overlap. */
function overlapOf(upstreams: readonly UpstreamSettings[]): string | undefined {
  for (const [index, one] of upstreams.entries())
    for (const other of upstreams.slice(index + 1)) {
      if (one.name === other.name) return `two upstreams have the same name, ${one.name}`;
      if (one.prefix === other.prefix)
        return `${one.name} and ${other.name} have the same prefix, ${one.prefix}`;
      const [inner, outer] = one.prefix.length < other.prefix.length ? [other, one] : [one, other];
      if (inner.prefix.startsWith(`${outer.prefix}/`))
        return `the prefix ${inner.prefix} of ${inner.name} lies within ${outer.prefix}, the prefix of ${outer.name}`;
    }
  return undefined;
}

/** Returns all upstreams, with their defaults. */
export function upstreamsOf(settings: ProxySettings): UpstreamSettings[] {
  const { remoteurl, tagttl, ttl } = settings;
  const listed = settings.upstreams.map(
    (given): UpstreamSettings => ({
      name: given.name,
      url: urlOf(given.name, given.url),
      prefix: given.prefix ?? given.name,
      namespace: given.namespace,
      isDefault: given.name === settings.default,
      username: given.username,
      password: given.password?.reveal(),
      passwordFile: given.passwordfile,
      caFile: given.ca,
      realmHosts: [...given.realms, ...(given.name === hub ? ["auth.docker.io"] : [])],
      redirectHosts: given.redirects,
      tagSeconds: given.tagttl ?? tagttl,
      keptSeconds: given.ttl ?? ttl,
      bytesPerSecond: given.rate,
      platforms: given.platforms,
    }),
  );
  if (remoteurl === undefined) return listed;
  const at = new URL(remoteurl);
  const name = hubHosts.has(at.host) ? hub : at.host;
  return [
    ...listed,
    {
      name,
      url: at,
      prefix: name.replace(":", "-"),
      namespace: undefined,
      isDefault: true,
      username: settings.username,
      password: settings.password?.reveal(),
      passwordFile: undefined,
      caFile: undefined,
      realmHosts: name === hub ? ["auth.docker.io"] : [],
      redirectHosts: [],
      tagSeconds: tagttl,
      keptSeconds: ttl,
      bytesPerSecond: undefined,
      platforms: [],
    },
  ];
}

function urlOf(name: string, given: string | undefined): URL {
  return new URL(given ?? (name === hub ? "https://registry-1.docker.io" : `https://${name}`));
}
