/**
 * Settings of CNCF distribution (2.8 and 3) that Gantry does not have. Each is refused with a reason, accepted if its value
 * matches what Gantry does anyway, or accepted with a notice if it is harmless. None is ignored silently. Remove a line
 * here when Gantry implements the setting.
 */
import { keyOf, type Path } from "./tree.js";

export type Rule =
  | { readonly does: "refuse"; readonly why: string; readonly firm?: true }
  /** Accepts these values, which match what Gantry does anyway; refuses others. */
  | {
      readonly does: "accept";
      readonly values: readonly string[];
      readonly why: string;
      readonly firm?: true;
    }
  /** Accepts any value, with a notice that it changes nothing. */
  | { readonly does: "note"; readonly why: string };

/** Not even `--ignore-unsupported` accepts it: the registry would be more open than its settings claim. */
const firm = <T extends Rule>(rule: T) => ({ ...rule, firm: true }) as const;
const refuse = (why: string): Rule => ({ does: "refuse", why });
const accept = (values: readonly string[], why: string): Rule => ({ does: "accept", values, why });
const note = (why: string): Rule => ({ does: "note", why });

const folderOrBucket = (hint = "") =>
  refuse(`Gantry stores data in a local directory or a bucket: set storage.filesystem or storage.s3${hint}`);
const ownCopies = note("Gantry pushes and mounts without copying objects");
const http1Only = "Gantry speaks HTTP/1.1, which every client does";
const ownMemory = "Gantry caches in its own memory";
const noSentinel = refuse("Gantry does not ask Sentinels for the server: give its address in redis.addrs");
const ownConnections = note("it has no meaning for Gantry's client");
const ownTimes = note("Gantry decides within one second whether the server answers");
const twoConnections = note("each node has two connections, and no pool");
const oneServer = note("there is one server");
const noMiddleware = refuse("Gantry loads no middleware");
const noChecks = refuse("Gantry checks its own storage only");
const noRules = refuse("Gantry has no rule for this");

export const rules: Readonly<Record<string, Rule>> = {
  loglevel: refuse("deprecated in CNCF distribution too: use log.level"),
  "log.hooks": refuse("Gantry sends no mail: let your log collector do that"),
  "log.reportcaller": accept(["false"], "Gantry's log does not contain source locations"),
  "storage.s3.v4auth": accept(["true"], "Gantry signs requests with version 4 only"),
  "storage.s3.multipartcopychunksize": ownCopies,
  "storage.s3.multipartcopymaxconcurrency": ownCopies,
  "storage.s3.multipartcopythresholdsize": ownCopies,
  "storage.s3.loglevel": note("Gantry logs the requests to the store that fail; metrics count all"),
  "storage.s3aws": refuse(
    "the driver has two names in CNCF distribution: use storage.s3, which has the same keys",
  ),
  "storage.gcs": folderOrBucket(
    "; Cloud Storage has an S3-compatible interface for storage.s3.regionendpoint",
  ),
  "storage.azure": folderOrBucket(),
  "storage.swift": folderOrBucket("; Swift has an S3-compatible interface for storage.s3.regionendpoint"),
  "storage.oss": folderOrBucket("; OSS has an S3-compatible interface for storage.s3.regionendpoint"),
  "storage.inmemory": folderOrBucket(),
  "storage.filesystem.maxthreads": note("uploads.workers sets the number of threads"),
  "storage.tag.concurrencylimit": note("Gantry lists tags without reading each one"),
  "storage.cache.blobdescriptor": accept(["inmemory"], ownMemory),
  "storage.cache.layerinfo": accept(["inmemory"], ownMemory),
  "storage.cache.blobdescriptorsize": note("Gantry bounds its caches by bytes"),
  "storage.maintenance.uploadpurging.dryrun": accept(
    ["false"],
    "Gantry has no dry run for this: set enabled to false to keep uploads",
  ),
  "storage.maintenance.readonly.enabled": firm(
    accept(["false"], "Gantry has no read-only mode, and its garbage collection does not need one"),
  ),
  "auth.silly": firm(refuse("it accepts any credentials")),
  "middleware.registry": noMiddleware,
  "middleware.repository": noMiddleware,
  "middleware.storage": noMiddleware,
  reporting: refuse("Gantry reports to its log only"),
  "http.net": accept(["tcp"], "Gantry listens on TCP only"),
  "http.prefix": refuse(
    "Gantry serves /v2/ only, as the specification requires: rewrite the path in a proxy",
  ),
  "http.secret": note("Gantry keeps upload state on the server, so there is nothing to sign"),
  "http.tls.letsencrypt": firm(
    refuse("Gantry does not fetch certificates: use certbot or lego to write the files"),
  ),
  "http.tls.ciphersuites": firm(refuse("Gantry uses the cipher suites of Node.js: set http.tls.minimumtls")),
  "http.http2.disabled": note(http1Only),
  "http.h2c.enabled": accept(["false"], http1Only),
  "redis.addr": refuse("the key has another name since CNCF distribution 3: use redis.addrs, a list"),
  "redis.mastername": noSentinel,
  "redis.sentinelusername": noSentinel,
  "redis.sentinelpassword": noSentinel,
  "redis.clientname": ownConnections,
  "redis.protocol": ownConnections,
  "redis.contexttimeoutenabled": ownConnections,
  "redis.disableidentity": ownConnections,
  "redis.identitysuffix": ownConnections,
  "redis.unstableresp3": ownConnections,
  "redis.readtimeout": ownTimes,
  "redis.writetimeout": ownTimes,
  "redis.maxretries": ownTimes,
  "redis.minretrybackoff": ownTimes,
  "redis.maxretrybackoff": ownTimes,
  "redis.pool": twoConnections,
  "redis.poolfifo": twoConnections,
  "redis.poolsize": twoConnections,
  "redis.pooltimeout": twoConnections,
  "redis.minidleconns": twoConnections,
  "redis.maxidleconns": twoConnections,
  "redis.maxactiveconns": twoConnections,
  "redis.connmaxidletime": twoConnections,
  "redis.connmaxlifetime": twoConnections,
  "redis.maxredirects": oneServer,
  "redis.readonly": oneServer,
  "redis.routebylatency": oneServer,
  "redis.routerandomly": oneServer,
  "health.file": noChecks,
  "health.http": noChecks,
  "health.tcp": noChecks,
  "proxy.exec": refuse("Gantry runs no programs: use username and password, or passwordfile of an upstream"),
  "compatibility.schema1.enabled": accept(["false"], "Gantry does not support Docker manifests of schema 1"),
  "compatibility.schema1.signingkeyfile": refuse("Gantry does not support Docker manifests of schema 1"),
  "catalog.maxentries": refuse("use limits.pageentries"),
  "validation.enabled": note("deprecated in CNCF distribution too; each check in Gantry has its own switch"),
  "validation.disabled": accept(["false"], "each check in Gantry has its own switch"),
  "validation.manifests.urls": noRules,
  "validation.manifests.indexes.platforms": accept(["all"], "use validation.manifests.sparse"),
  "validation.manifests.indexes.platformlist": refuse("use validation.manifests.sparse"),
  "policy.repository.classes": noRules,
};

/** The rule for exactly this key. */
export function ruleAt(path: Path): Rule | undefined {
  const key = keyOf(path);
  return Object.hasOwn(rules, key) ? rules[key] : undefined;
}

/** The rule for a key or for the closest group that contains it. */
export function ruleFor(path: Path): Rule | undefined {
  for (let length = path.length; length > 0; length--) {
    const rule = ruleAt(path.slice(0, length));
    if (rule !== undefined) return rule;
  }
  return undefined;
}

/** Whether there are rules for keys in this group. */
export function isRuledGroup(path: Path): boolean {
  const start = `${keyOf(path)}.`;
  return Object.keys(rules).some((key) => key.startsWith(start));
}
