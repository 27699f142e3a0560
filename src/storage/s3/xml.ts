/** The XML of the S3 protocol: the parts that the driver reads and writes. */
import { XMLParser } from "fast-xml-parser";
import { isObject } from "../../domain/descriptor.js";
import { passesLater, S3Failure } from "./failure.js";

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  // Predefined entities are decoded below; others, which could expand without bound, are left alone.
  processEntities: false,
  isArray: (name, path) =>
    ["Contents", "CommonPrefixes", "Upload", "Part"].includes(name) || path === "DeleteResult.Error",
});

export type Xml = Readonly<Record<string, unknown>>;

/** Returns the root element of that name. Throws `S3Failure` for anything else. */
export function rootOf(bytes: Buffer, name: string): Xml {
  const root = parsed(bytes)[name];
  // An element without children is an empty text.
  if (root === "") return {};
  if (!isObject(root)) throw new S3Failure(`the store's answer is no ${name}`, { mayPass: true });
  return root;
}

/** Returns the root elements. Throws `S3Failure` for text that is no XML. */
export function parsed(bytes: Buffer): Xml {
  try {
    return parser.parse(bytes.toString()) as Xml;
  } catch (cause) {
    throw new S3Failure("the store's answer is no XML", { cause, mayPass: true });
  }
}

/** Throws `S3Failure` for an error with status 200, and, with `name`, for anything but a root element of that name. */
export function refuseError(bytes: Buffer, what: string, name?: string): void {
  const { Error: error } = parsed(bytes);
  if (typeof error !== "object" || error === null) {
    if (name !== undefined) rootOf(bytes, name);
    return;
  }
  const code = textOf(error as Record<string, unknown>, "Code");
  const said = textOf(error as Record<string, unknown>, "Message");
  throw new S3Failure(`${what}: ${code}: ${said}`, {
    code,
    mayPass: passesLater(code),
  });
}

/** Returns the text of an element, `""` if there is none. */
export function textOf(element: Xml, name: string): string {
  const text = element[name];
  return typeof text === "string" ? decoded(text) : "";
}

/** Returns the elements of that name. */
export function elementsOf(element: Xml, name: string): Xml[] {
  const found = element[name];
  return Array.isArray(found) ? found.filter(isObject) : [];
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{2,4}));/g, (entity, decimal, hex, name) => {
    if (name !== undefined) return entities[name] ?? entity;
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
  });
}

export function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
