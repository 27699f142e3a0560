/**
 * The settings of a server, from the environment, under the names that CNCF distribution uses where the
 * thing is the same. All that is wrong is told at once.
 */
import { availableParallelism } from "node:os";
import { z } from "zod";

const truth = z.enum(["true", "false"]).transform((text) => text === "true");

const address = z.string().transform((text, context) => {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[^:]*)):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.port);
  if (match === null || port > 65_535) {
    context.addIssue("expected host:port, such as 127.0.0.1:5000, [::1]:5000 or :5000 for all interfaces");
    return z.NEVER;
  }
  return { host: match.groups?.v6 ?? match.groups?.host ?? "", port };
});

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A time as CNCF distribution writes it, such as `90s`, `5m` or `168h`, and `30d`, in seconds; `undefined` for other text. */
export function durationSeconds(text: string): number | undefined {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (secondsOf[match[2] ?? ""] ?? 1);
}

export const duration = z.string().transform((text, context) => {
  const seconds = durationSeconds(text);
  if (seconds !== undefined) return seconds;
  context.addIssue("expected a time such as 90s, 5m, 168h or 30d");
  return z.NEVER;
});

const environment = z.object({
  REGISTRY_HTTP_ADDR: address.prefault("127.0.0.1:5000"),
  REGISTRY_HTTP_DRAINTIMEOUT: duration.prefault("30s"),
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: z.string().min(1).default(".gantry"),
  REGISTRY_STORAGE_FILESYSTEM_DURABILITY: z.enum(["full", "relaxed"]).default("full"),
  REGISTRY_STORAGE_DELETE_ENABLED: truth.prefault("true"),
  REGISTRY_STORAGE_MOUNT_ANONYMOUS: truth.prefault("true"),
  REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE: duration.prefault("168h"),
  REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL: duration.prefault("24h"),
  REGISTRY_GC_INTERVAL: duration.prefault("1h"),
  REGISTRY_GC_LEASE: duration.prefault("6h"),
  REGISTRY_GC_UNTAGGED: z.union([z.literal("never").transform(() => undefined), duration]).prefault("never"),
  REGISTRY_TAGS_POLICY: z.string().min(1).optional(),
  REGISTRY_VALIDATION_MANIFESTS_SPARSE: truth.prefault("false"),
  REGISTRY_UPLOADS_WORKERS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(Math.max(1, availableParallelism())),
  REGISTRY_UPLOADS_TASKTIMEOUT: duration.prefault("5m"),
  REGISTRY_UPLOADS_MEMORYMIB: z.coerce.number().int().min(8).max(65_536).default(64),
});

export interface Config {
  readonly http: {
    readonly addr: { readonly host: string; readonly port: number };
    /** Seconds that running requests have to come to their end when the server stops. */
    readonly draintimeout: number;
  };
  readonly storage: {
    readonly filesystem: { readonly rootdirectory: string; readonly durability: "full" | "relaxed" };
    readonly delete: { readonly enabled: boolean };
    readonly mount: { readonly anonymous: boolean };
    /** In seconds. */
    readonly maintenance: { readonly uploadpurging: { readonly age: number; readonly interval: number } };
  };
  readonly gc: {
    /** Seconds between two collections, 0 for none. */
    readonly interval: number;
    /** Seconds that what a client was told of is kept for it. */
    readonly lease: number;
    /** Seconds that a manifest without a tag is kept after its push, `undefined` for ever. */
    readonly untagged: number | undefined;
  };
  /** `policy`: path of a file, see `tag-policy`. */
  readonly tags: { readonly policy: string | undefined };
  readonly validation: { readonly manifests: { readonly sparse: boolean } };
  readonly uploads: {
    readonly workers: number;
    readonly memorymib: number;
    /** Seconds after which a worker that does not answer is replaced. */
    readonly tasktimeout: number;
  };
}

/** Settings that no server can start with; `message` names each, what it was, and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Throws `ConfigError`. */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const parsed = environment.safeParse(variables);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return `${name}=${variables[name] ?? ""}: ${issue.message}`;
    });
    throw new ConfigError(lines.join("\n"));
  }
  const values = parsed.data;
  return {
    http: { addr: values.REGISTRY_HTTP_ADDR, draintimeout: values.REGISTRY_HTTP_DRAINTIMEOUT },
    storage: {
      filesystem: {
        rootdirectory: values.REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY,
        durability: values.REGISTRY_STORAGE_FILESYSTEM_DURABILITY,
      },
      delete: { enabled: values.REGISTRY_STORAGE_DELETE_ENABLED },
      mount: { anonymous: values.REGISTRY_STORAGE_MOUNT_ANONYMOUS },
      maintenance: {
        uploadpurging: {
          age: values.REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE,
          interval: values.REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL,
        },
      },
    },
    gc: {
      interval: values.REGISTRY_GC_INTERVAL,
      lease: values.REGISTRY_GC_LEASE,
      untagged: values.REGISTRY_GC_UNTAGGED,
    },
    tags: { policy: values.REGISTRY_TAGS_POLICY },
    validation: { manifests: { sparse: values.REGISTRY_VALIDATION_MANIFESTS_SPARSE } },
    uploads: {
      workers: values.REGISTRY_UPLOADS_WORKERS,
      memorymib: values.REGISTRY_UPLOADS_MEMORYMIB,
      tasktimeout: values.REGISTRY_UPLOADS_TASKTIMEOUT,
    },
  };
}
