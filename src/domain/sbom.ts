/** The packages that an SBOM lists: SPDX 2 or CycloneDX in JSON, by itself or as the predicate of a statement. */
import { type Some, TextRoom } from "./bounded.js";
import { isObject, type JsonObject } from "./descriptor.js";
import { parseBounded } from "./manifest-details.js";
import { statementIn } from "./statement.js";

export interface SbomPackage {
  readonly name: string;
  readonly version: string | undefined;
  readonly license: string | undefined;
}

export interface SbomFacts {
  /** Such as `SPDX-2.3`. */
  readonly format: string;
  readonly packages: Some<SbomPackage>;
}

const packagesMax = 1_000;
const charactersMax = 128 * 1024;
const textMax = 256;
const depthMax = 256;
const jsonEntriesMax = 2_000_000;

/** Returns `undefined` for bytes that are no SBOM in these formats. */
export function readSbom(bytes: Uint8Array): SbomFacts | undefined {
  const predicate = statementIn(bytes)?.predicate;
  const json = isObject(predicate) ? predicate : parseBounded(bytes, depthMax, jsonEntriesMax);
  if (!isObject(json)) return undefined;
  // cosign wraps the document once more.
  const document = isObject(json.Data) ? json.Data : json;
  const room = new TextRoom(charactersMax, textMax);
  if (typeof document.spdxVersion === "string")
    return { format: room.keep(document.spdxVersion), packages: spdxPackages(document, room) };
  if (document.bomFormat !== "CycloneDX") return undefined;
  return {
    format: `CycloneDX ${room.text(document.specVersion) ?? ""}`.trim(),
    packages: cycloneDxPackages(document, room),
  };
}

function spdxPackages({ packages }: JsonObject, room: TextRoom): Some<SbomPackage> {
  return room.some(
    Array.isArray(packages) ? packages : [],
    (item) =>
      isObject(item)
        ? {
            name: room.text(item.name) ?? "",
            version: room.text(item.versionInfo),
            license: asserted(room.text(item.licenseConcluded)) ?? asserted(room.text(item.licenseDeclared)),
          }
        : undefined,
    packagesMax,
  );
}

function asserted(license: string | undefined): string | undefined {
  return license === "NOASSERTION" || license === "NONE" ? undefined : license;
}

function cycloneDxPackages({ components }: JsonObject, room: TextRoom): Some<SbomPackage> {
  return room.some(
    Array.isArray(components) ? components : [],
    (item) =>
      isObject(item)
        ? {
            name: room.text(item.name) ?? "",
            version: room.text(item.version),
            license: licenseOf(item.licenses, room),
          }
        : undefined,
    packagesMax,
  );
}

function licenseOf(licenses: unknown, room: TextRoom): string | undefined {
  const [first]: unknown[] = Array.isArray(licenses) ? licenses : [];
  if (!isObject(first)) return undefined;
  const { license } = first;
  return (
    room.text(first.expression) ?? (isObject(license) ? room.text(license.id ?? license.name) : undefined)
  );
}
