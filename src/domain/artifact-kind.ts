/** What a manifest is, by its media types. People see the kind beside a tag; the registry's rules never depend on it. */
import type { ManifestDetails } from "./manifest-details.js";
import type { ManifestKind } from "./media-type.js";

export type ArtifactKind =
  | "image"
  | "index"
  | "helm-chart"
  | "wasm"
  | "signature"
  | "attestation"
  | "sbom"
  | "report"
  | "cache"
  | "model"
  | "artifact";

/** The parts of a manifest that determine its kind. */
export interface KindHints {
  readonly kind: ManifestKind;
  readonly artifactType?: string | undefined;
  readonly configMediaType?: string | undefined;
  /** The media types of layers, or of an index's entries. */
  readonly entryMediaTypes?: Iterable<string>;
  readonly annotations?: ReadonlyMap<string, string> | undefined;
}

/** The media types of an image's config. Old tools put signatures and SBOMs into images with such a config, too. */
export const imageConfigs: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** The first match counts. */
const kindsByType: readonly (readonly [RegExp, ArtifactKind])[] = [
  [/^application\/vnd\.cncf\.helm\./, "helm-chart"],
  [/^application\/(?:vnd\.wasm\.|wasm$)|\+wasm$/, "wasm"],
  [/^application\/vnd\.cncf\.notary\.signature/, "signature"],
  [
    /^application\/vnd\.dev\.cosign\.(?:artifact\.sig|simplesigning)\.|^application\/pgp-signature$/,
    "signature",
  ],
  [/spdx|cyclonedx|^application\/vnd\.syft|[.]sbom[.+]/, "sbom"],
  [/^application\/vnd\.(?:in-toto|dsse)|^application\/vnd\.dev\.cosign\.artifact\.att\./, "attestation"],
  [/sarif|^application\/vnd\.(?:security\.)?vulnerabilit/, "report"],
  [/^application\/vnd\.buildkit\.cacheconfig\./, "cache"],
  [/^application\/vnd\.(?:cncf\.model|cnai\.model|kitops\.modelkit|docker\.ai)\./, "model"],
];

/** A bundle contains a signature of the image itself, or of a statement about it. */
const sigstoreBundle = /^application\/vnd\.dev\.sigstore\.bundle\b/;

/** The predicate of cosign's signatures of an image. */
const signaturePredicate = "https://sigstore.dev/cosign/sign/v1";

/** Returns the kind of a manifest. Types that are unknown make it an image or index if clients can run that, or an artifact. */
export function artifactKindOf(hints: KindHints): ArtifactKind {
  const { kind, artifactType, configMediaType = "", entryMediaTypes = [], annotations } = hints;
  const entries = new Set(entryMediaTypes);
  if ([artifactType ?? "", configMediaType, ...entries].some((type) => sigstoreBundle.test(type)))
    return kindOfBundle(annotations);
  for (const type of [artifactType, configMediaType]) {
    const known = type && kindByType(type);
    if (known) return known;
  }
  if (kind === "index") {
    if ([...entries].some((type) => kindByType(type) === "cache")) return "cache";
    return artifactType ? "artifact" : "index";
  }
  const known = kindOfAll(entries);
  if (known !== undefined) return known;
  return imageConfigs.has(configMediaType) && (!artifactType || imageConfigs.has(artifactType))
    ? "image"
    : "artifact";
}

/** Returns the kind of a manifest whose details are known. */
export function kindOfManifest({
  kind,
  artifactType,
  config,
  entries,
  annotations,
}: ManifestDetails): ArtifactKind {
  return artifactKindOf({
    kind,
    artifactType,
    configMediaType: config?.mediaType,
    entryMediaTypes: entries.items.map(({ mediaType }) => mediaType),
    annotations: new Map(annotations.items),
  });
}

/** Returns the kind of content with this media type, or `undefined` if it is not known. */
export function kindByType(mediaType: string): ArtifactKind | undefined {
  return kindsByType.find(([pattern]) => pattern.test(mediaType))?.[1];
}

function kindOfAll(types: ReadonlySet<string>): ArtifactKind | undefined {
  const kinds = new Set(Array.from(types, kindByType));
  const [first] = kinds;
  return kinds.size === 1 ? first : undefined;
}

/** The annotations that name the type of a bundle. */
export const bundleAnnotations = [
  "dev.sigstore.bundle.content",
  "dev.sigstore.bundle.predicateType",
] as const;

function kindOfBundle(annotations: ReadonlyMap<string, string> | undefined): ArtifactKind {
  const isStatement = annotations?.get("dev.sigstore.bundle.content") === "dsse-envelope";
  const isSignature = annotations?.get("dev.sigstore.bundle.predicateType") === signaturePredicate;
  return isStatement && !isSignature ? "attestation" : "signature";
}

const titles: Readonly<Record<ArtifactKind, string>> = {
  image: "image",
  index: "image for several platforms",
  "helm-chart": "Helm chart",
  wasm: "WebAssembly",
  signature: "signature",
  attestation: "attestation",
  sbom: "SBOM",
  report: "report",
  cache: "build cache",
  model: "model",
  artifact: "artifact",
};

/** Returns the word for people. */
export function titleOfKind(kind: ArtifactKind): string {
  return titles[kind];
}

/** The annotations in which tools name the predicate of an attestation. */
const predicateAnnotations = [
  "in-toto.io/predicate-type",
  "dev.sigstore.bundle.predicateType",
  "predicateType",
] as const;

/** Returns the predicate type that annotations name. */
export function predicateTypeIn(annotations: ReadonlyMap<string, string>): string | undefined {
  for (const name of predicateAnnotations) {
    const type = annotations.get(name);
    if (type) return type;
  }
  return undefined;
}
