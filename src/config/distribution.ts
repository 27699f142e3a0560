/**
 * Settings of CNCF distribution's (2.8 and 3) that are none of Gantry's: each is refused with the reason, or
 * accepted where it says what Gantry does anyway, or accepted and told of where nobody will miss it. Nothing
 * is passed over in silence. Whoever makes Gantry do one of these takes its line out.
 */
import { keyOf, type Path } from "./tree.js";

export type Rule =
  | { readonly does: "refuse"; readonly why: string; readonly firm?: true }
  /** These values say what Gantry does anyway; others are refused. */
  | {
      readonly does: "accept";
      readonly values: readonly string[];
      readonly why: string;
      readonly firm?: true;
    }
  /** Any value is accepted, and that it changes nothing is told. */
  | { readonly does: "note"; readonly why: string };

/** Passed over by nobody: whoever wrote it would have a registry that is more open than it says. */
const firm = <T extends Rule>(rule: T) => ({ ...rule, firm: true }) as const;
const refuse = (why: string): Rule => ({ does: "refuse", why });
const accept = (values: readonly string[], why: string): Rule => ({ does: "accept", values, why });
const note = (why: string): Rule => ({ does: "note", why });

const folderOnly = refuse("Gantry stores in a folder: storage.filesystem.rootdirectory");
const http1Only = "Gantry speaks HTTP/1.1, which every client does";
const ownMemory = "Gantry caches in its own memory";
const noMiddleware = refuse("Gantry loads no middleware");
const noChecks = refuse("Gantry checks its own storage only");
const noRules = refuse("Gantry has no rule for this");

export const rules: Readonly<Record<string, Rule>> = {
  loglevel: refuse("deprecated in CNCF distribution too: say log.level"),
  "log.hooks": refuse("Gantry sends no mail: have what collects its log do that"),
  "log.reportcaller": accept(["false"], "Gantry's log does not tell places in its source"),
  "storage.s3": folderOnly,
  "storage.s3aws": folderOnly,
  "storage.gcs": folderOnly,
  "storage.azure": folderOnly,
  "storage.swift": folderOnly,
  "storage.oss": folderOnly,
  "storage.inmemory": folderOnly,
  "storage.filesystem.maxthreads": note("threads are counted by uploads.workers"),
  "storage.tag.concurrencylimit": note("Gantry lists tags without looking each up"),
  "storage.cache.blobdescriptor": accept(["inmemory"], ownMemory),
  "storage.cache.layerinfo": accept(["inmemory"], ownMemory),
  "storage.cache.blobdescriptorsize": note("Gantry's caches are bounded by bytes"),
  "storage.redirect.disable": note("Gantry sends the bytes itself and redirects nobody"),
  "storage.maintenance.uploadpurging.dryrun": accept(
    ["false"],
    "Gantry drops uploads or it does not: say enabled: false",
  ),
  "storage.maintenance.readonly.enabled": firm(
    accept(["false"], "Gantry has no read-only mode; its garbage collection needs none"),
  ),
  "auth.silly": firm(refuse("it lets everybody in who says anything")),
  "middleware.registry": noMiddleware,
  "middleware.repository": noMiddleware,
  "middleware.storage": noMiddleware,
  reporting: refuse("Gantry reports to its log only"),
  "http.net": accept(["tcp"], "Gantry listens on TCP only"),
  "http.prefix": refuse(
    "Gantry is reached at /v2/, as the specification has it: have a proxy before it that rewrites",
  ),
  "http.secret": note("Gantry keeps the state of uploads itself, and signs none for clients to keep"),
  "http.tls.letsencrypt": firm(
    refuse("Gantry fetches no certificates: have certbot or lego put them into files"),
  ),
  "http.tls.ciphersuites": firm(refuse("Gantry uses the ciphers of its Node.js: say http.tls.minimumtls")),
  "http.http2.disabled": note(http1Only),
  "http.h2c.enabled": accept(["false"], http1Only),
  redis: refuse(ownMemory),
  "health.file": noChecks,
  "health.http": noChecks,
  "health.tcp": noChecks,
  proxy: refuse("Gantry is no pull-through cache"),
  "compatibility.schema1.enabled": accept(["false"], "Gantry refuses Docker manifests of schema 1"),
  "compatibility.schema1.signingkeyfile": refuse("Gantry refuses Docker manifests of schema 1"),
  "catalog.maxentries": refuse("say limits.pageentries"),
  "validation.enabled": note(
    "deprecated in CNCF distribution too, and each of Gantry's checks has its own switch",
  ),
  "validation.disabled": accept(["false"], "each of Gantry's checks has its own switch"),
  "validation.manifests.urls": noRules,
  "validation.manifests.indexes.platforms": accept(["all"], "say validation.manifests.sparse"),
  "validation.manifests.indexes.platformlist": refuse("say validation.manifests.sparse"),
  "policy.repository.classes": noRules,
};

/** The rule for just this key. */
export function ruleAt(path: Path): Rule | undefined {
  const key = keyOf(path);
  return Object.hasOwn(rules, key) ? rules[key] : undefined;
}

/** The rule for a key, or for a group that it is in. */
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
