/** What is attached to an image: signatures, SBOMs, attestations and other referrers. */
import type { Attached, AttachedArtifact } from "../../browse/content/attached.js";
import { type ArtifactKind, titleOfKind } from "../../domain/artifact-kind.js";
import { fitLine } from "./fit.js";
import { DigestLink, Time } from "./image-parts.js";
import { Paging } from "./paging.js";
import { Bytes, Pending } from "./show.js";
import { TableHead } from "./table-head.js";

/** Of one type, and of all on a page. */
const typeBytesMax = 140;
const typesBytesMax = 2_500;

/** Kinds that people sign. */
const signable: ReadonlySet<ArtifactKind> = new Set([
  "image",
  "index",
  "helm-chart",
  "wasm",
  "model",
  "artifact",
]);

export function AttachedArtifacts({
  attached,
  kind,
}: {
  readonly attached: Attached | undefined;
  readonly kind: ArtifactKind | undefined;
}) {
  if (attached === undefined)
    return (
      <>
        <h2>Attached</h2>
        <Pending />
      </>
    );
  const { artifacts, next, complete } = attached;
  const isSigned = artifacts.some((artifact) => artifact.kind === "signature");
  return (
    <>
      {(artifacts.length > 0 || (kind !== undefined && signable.has(kind))) && <h2>Attached</h2>}
      {isSigned && (
        <p>
          <strong>Signed:</strong> a signature exists; Gantry has not verified it.
        </p>
      )}
      {/* As long as something is unread, it may be a signature. */}
      {!isSigned && complete && kind !== undefined && signable.has(kind) && (
        <p class="note">
          {artifacts.length === 0
            ? "No signature, SBOM or attestation is attached."
            : "No signature is among these."}
        </p>
      )}
      {artifacts.length > 0 && <Artifacts artifacts={artifacts} />}
      <Paging label="More that is attached" next={next && `?after=${next}`} />
    </>
  );
}

function Artifacts({ artifacts }: { readonly artifacts: readonly AttachedArtifact[] }) {
  const types = artifacts.reduce((sum, { predicateTypes }) => sum + Math.max(1, predicateTypes.length), 0);
  const bytesMax = Math.min(typeBytesMax, Math.floor(typesBytesMax / types));
  return (
    <table class="stack">
      <TableHead columns={["Kind", "Type", "Created", "Digest", { number: "Size" }]} />
      <tbody>
        {artifacts.map(({ kind, artifactType, predicateTypes, created, digest, bytes }) => (
          <tr>
            <td>{kind === undefined ? <Pending /> : titleOfKind(kind)}</td>
            <td data-label="Type">
              {predicateTypes.length > 0
                ? predicateTypes.map((type) => <div>{fitLine(type, bytesMax)}</div>)
                : fitLine(artifactType ?? "", bytesMax)}
            </td>
            <td data-label="Created">{created !== undefined && <Time text={created} />}</td>
            <td data-label="Digest">
              <DigestLink digest={digest} />
            </td>
            <td data-label="Size" class="number">
              <Bytes bytes={bytes} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
