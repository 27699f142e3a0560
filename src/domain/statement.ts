/**
 * What an attestation states: an in-toto statement, by itself, in a DSSE envelope, or in a Sigstore bundle. Nothing is
 * verified.
 */
import { type Some, TextRoom } from "./bounded.js";
import { isObject, type JsonObject } from "./descriptor.js";
import { parseBounded } from "./manifest-details.js";

export interface StatementSubject {
  readonly name: string;
  /** Such as `sha256:…`. */
  readonly digest: string;
}

export interface Statement {
  readonly predicateType: string;
  readonly subjects: Some<StatementSubject>;
}

const charactersMax = 16 * 1024;
const textMax = 512;
const depthMax = 256;
const jsonEntriesMax = 1_000_000;

/** Returns `undefined` for bytes that contain no statement. */
export function readStatement(bytes: Uint8Array): Statement | undefined {
  const json = statementIn(bytes);
  const room = new TextRoom(charactersMax, textMax);
  const predicateType = room.text(json?.predicateType);
  if (json === undefined || predicateType === undefined) return undefined;
  return {
    predicateType,
    subjects: room.objects(json.subject, ({ name, digest }) => ({
      name: room.text(name) ?? "",
      digest: firstDigest(digest, room),
    })),
  };
}

/** Returns the statement that the bytes contain in any of the forms, as JSON. */
export function statementIn(bytes: Uint8Array): JsonObject | undefined {
  const json = parseBounded(bytes, depthMax, jsonEntriesMax);
  if (!isObject(json)) return undefined;
  if (typeof json.predicateType === "string") return json;
  const envelope = isObject(json.dsseEnvelope) ? json.dsseEnvelope : json;
  if (typeof envelope.payload !== "string") return undefined;
  const inner = parseBounded(Buffer.from(envelope.payload, "base64"), depthMax, jsonEntriesMax);
  return isObject(inner) && typeof inner.predicateType === "string" ? inner : undefined;
}

function firstDigest(value: unknown, room: TextRoom): string {
  if (!isObject(value)) return "";
  const [first] = Object.entries(value);
  return first !== undefined && typeof first[1] === "string" ? room.keep(`${first[0]}:${first[1]}`) : "";
}
