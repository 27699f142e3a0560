/** The sources of `gantry import`: their options, their JSON form, and how to open them. */
import { resolve } from "node:path";
import { z } from "zod";
import { nameMatcher, patternFault } from "../domain/patterns.js";
import { isTag } from "../domain/reference.js";
import { isRepositoryName } from "../domain/repository-name.js";
import { parseBytes } from "../lib/parse-bytes.js";
import type { OtherStores } from "../transfer/other-stores.js";
import type { OnStray, OnUndelivered, Source } from "../transfer/source.js";
import { type Flags, type FlagValues, UsageError } from "./command.js";

const globs = z
  .array(z.string().refine((pattern) => patternFault(pattern) === undefined, "not a pattern"))
  .max(1000);

const connectionsDefault = 8;

export const importSource = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("store"), place: z.string().min(1), repositories: globs }),
  z.object({ kind: z.literal("distribution"), place: z.string().min(1), repositories: globs }),
  z.object({
    kind: z.literal("layout"),
    folder: z.string().min(1),
    name: z.string().refine(isRepositoryName, "not a repository name").optional(),
    tag: z.string().refine(isTag, "not a tag").optional(),
  }),
  z.object({
    kind: z.literal("registry"),
    url: z.url({ protocol: /^https?$/ }),
    repositories: globs,
    tags: globs,
    bytesPerSecond: z.number().positive().optional(),
    connections: z.number().int().min(1).max(64),
    username: z.string().min(1).optional(),
    passwordFile: z.string().min(1).optional(),
    caFile: z.string().min(1).optional(),
    realmHosts: z.array(z.string().min(1)).max(100),
    redirectHosts: z.array(z.string().min(1)).max(100),
  }),
]);

export type ImportSource = z.infer<typeof importSource>;

export const sourceFlags = {
  "from-distribution": {
    type: "string",
    value: "PLACE",
    description:
      "what CNCF distribution has stored: its storage directory, or its settings file, which names its directory or bucket",
  },
  "from-store": {
    type: "string",
    value: "PLACE",
    description: "another store of Gantry: its folder, or a settings file that names its folder or bucket",
  },
  "from-oci": { type: "string", value: "FOLDER", description: "an OCI image layout" },
  "from-registry": {
    type: "string",
    value: "URL",
    description: "a running registry, such as https://registry.example.com, or http:// without TLS",
  },
  as: {
    type: "string",
    value: "NAME[:TAG]",
    description:
      "import all tags of the OCI layout into the repository NAME, or its only image as TAG; required unless the layout names its images NAME:TAG",
  },
  repository: {
    type: "string",
    value: "GLOB",
    multiple: true,
    description: "import only repositories whose name matches; * stops at a slash, ** does not",
  },
  tag: {
    type: "string",
    value: "GLOB",
    multiple: true,
    description: "import only matching tags, with the referrers of their manifests",
  },
  rate: {
    type: "string",
    value: "BYTES",
    description: "limit for reading from the registry per second, such as 50MiB",
  },
  connections: {
    type: "string",
    value: "NUMBER",
    description: `connections to the registry (default ${connectionsDefault})`,
  },
  username: { type: "string", value: "NAME", description: "user name for the registry" },
  "password-file": { type: "string", value: "FILE", description: "file with the password of that user" },
  ca: { type: "string", value: "FILE", description: "PEM file with the CA certificates of the registry" },
  "realm-host": {
    type: "string",
    value: "HOST",
    multiple: true,
    description: "another host whose token server may receive the password, such as auth.docker.io",
  },
  "redirect-host": {
    type: "string",
    value: "HOST",
    multiple: true,
    description:
      "a host to which the registry may redirect even if its address is less public than the registry's own",
  },
} as const satisfies Flags;

/** Flags that apply only to some sources; the others apply to all. */
const onlyFor: Readonly<Record<string, readonly ImportSource["kind"][]>> = {
  as: ["layout"],
  repository: ["store", "distribution", "registry"],
  robots: ["store"],
  ...Object.fromEntries(
    ["tag", "rate", "connections", "username", "password-file", "ca", "realm-host", "redirect-host"].map(
      (name) => [name, ["registry"]],
    ),
  ),
};

const kinds = {
  store: "from-store",
  distribution: "from-distribution",
  layout: "from-oci",
  registry: "from-registry",
} as const;

/** Throws `UsageError`. Resolves paths here, because a server may have another working directory. */
export function sourceOf(values: FlagValues): ImportSource {
  const named = Object.entries(kinds).filter(([, name]) => values[name] !== undefined);
  const [[kind, flag] = []] = named as [ImportSource["kind"], string][];
  if (kind === undefined || flag === undefined || named.length > 1)
    throw new UsageError(
      `give one of ${Object.values(kinds)
        .map((name) => `--${name}`)
        .join(", ")}`,
    );
  for (const [name, allowed] of Object.entries(onlyFor)) {
    if (values[name] !== undefined && !allowed.includes(kind))
      throw new UsageError(`--${name} cannot be combined with --${flag}`);
  }
  const place = String(values[flag]);
  if (kind === "store" || kind === "distribution")
    return { kind, place: resolve(place), repositories: patternsOf(values, "repository") };
  if (kind === "layout") return { kind, folder: resolve(place), ...nameAndTag(values.as) };
  return { kind, url: originOf(place), ...registryOptions(values) };
}

function nameAndTag(given: FlagValues[string]): { name?: ImportedName; tag?: ImportedTag } {
  if (typeof given !== "string") return {};
  const colon = given.indexOf(":");
  const name = colon === -1 ? given : given.slice(0, colon);
  const tag = given.slice(name.length + 1);
  if (!isRepositoryName(name)) throw new UsageError(`--as: ${name} is not a repository name`);
  if (colon === -1) return { name };
  if (!isTag(tag)) throw new UsageError(`--as: ${tag} is not a tag`);
  return { name, tag };
}

type Layout = Extract<ImportSource, { kind: "layout" }>;
type ImportedName = NonNullable<Layout["name"]>;
type ImportedTag = NonNullable<Layout["tag"]>;
type Registry = Extract<ImportSource, { kind: "registry" }>;

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url !== undefined && url.pathname === "/" && url.search === "" && url.username === "";
  if (!isOrigin || !["http:", "https:"].includes(url.protocol))
    throw new UsageError(`--from-registry: ${text} is not a URL such as https://registry.example.com:5000`);
  return url.origin;
}

function registryOptions(values: FlagValues): Omit<Registry, "kind" | "url"> {
  const { rate, username, ca, connections = String(connectionsDefault) } = values;
  const password = values["password-file"];
  if ((username === undefined) !== (password === undefined))
    throw new UsageError("--username and --password-file must be given together");
  const bytesPerSecond = typeof rate === "string" ? parseBytes(rate) : undefined;
  if (rate !== undefined && bytesPerSecond === undefined)
    throw new UsageError(`--rate: ${String(rate)} is not a rate such as 50MiB`);
  const number = Number(connections);
  if (!Number.isInteger(number) || number < 1 || number > 64)
    throw new UsageError(`--connections: ${String(connections)} is not a number from 1 to 64`);
  return {
    repositories: patternsOf(values, "repository"),
    tags: patternsOf(values, "tag"),
    connections: number,
    realmHosts: listOf(values["realm-host"]),
    redirectHosts: listOf(values["redirect-host"]),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(typeof username === "string" && { username }),
    ...(typeof password === "string" && { passwordFile: resolve(password) }),
    ...(typeof ca === "string" && { caFile: resolve(ca) }),
  };
}

function patternsOf(values: FlagValues, flag: "repository" | "tag"): string[] {
  const patterns = listOf(values[flag]);
  for (const pattern of patterns) {
    const fault = patternFault(pattern);
    if (fault !== undefined) throw new UsageError(`--${flag}: ${pattern}: ${fault}`);
  }
  return patterns;
}

function listOf(value: FlagValues[string]): string[] {
  return Array.isArray(value) ? [...(value as readonly string[])] : [];
}

interface SourceCallbacks {
  readonly onStray: OnStray;
  readonly onUndelivered: OnUndelivered;
  readonly signal: AbortSignal;
}

/** Rejects with `SourceError`. */
export async function openSource(
  source: ImportSource,
  otherStores: () => Promise<OtherStores>,
  { onStray, onUndelivered, signal }: SourceCallbacks,
): Promise<Source> {
  if (source.kind === "layout") {
    const { folder: path, name, tag } = source;
    const { openLayout } = await import("../transfer/oci-layout/reader.js");
    return openLayout({ path, name, tag, onStray, onUndelivered });
  }
  const wants = nameMatcher(source.repositories.length > 0 ? source.repositories : ["**"]);
  if (source.kind === "store") {
    const { StoreSource } = await import("../transfer/store/source.js");
    const { store } = await otherStores();
    return new StoreSource({ store: await store(source.place, onStray), wants });
  }
  if (source.kind === "distribution") {
    const { openDistribution } = await import("../transfer/distribution/store.js");
    const { distribution } = await otherStores();
    return openDistribution({ tree: await distribution(source.place), wants, onStray });
  }
  const { url, tags, repositories, username, passwordFile, caFile, bytesPerSecond, ...others } = source;
  // A registry without a catalog can still serve repositories that are named exactly.
  const names = repositories.filter(isRepositoryName);
  const { openRegistry } = await import("../transfer/remote/registry.js");
  return openRegistry({
    ...others,
    url: new URL(url),
    names: names.length === repositories.length ? names : [],
    wants,
    wantsTag: tags.length > 0 ? nameMatcher(tags) : undefined,
    username,
    passwordFile,
    caFile,
    bytesPerSecond,
    onStray,
    signal,
  });
}
