/** Walks zod's schemas to describe each key, so that no other code depends on zod's structure. */
import { z } from "zod";
import { hidden, isSecret } from "./secret.js";
import { isNames, type Path, type Tree } from "./tree.js";

export interface Key {
  readonly path: Path;
  readonly description: string;
  /** As it would be written; absent if there is none. */
  readonly defaultValue: Tree | undefined;
  /** Describes a default that depends on the machine. */
  readonly defaultNote: string | undefined;
  readonly schema: z.core.$ZodType;
}

export interface Peeled {
  /** The schema without defaults and transformations. */
  readonly core: z.core.$ZodType;
  readonly description: string | undefined;
  readonly defaultNote: string | undefined;
  readonly defaultValue: Tree | undefined;
  readonly hidden: boolean;
  /** Whether it may be omitted and is then absent. */
  readonly optional: boolean;
}

export function peel(schema: z.core.$ZodType): Peeled {
  let core = schema;
  let defaultValue: Tree | undefined;
  let isHidden = false;
  let optional = false;
  let meta: z.GlobalMeta | undefined;
  for (;;) {
    meta ??= z.globalRegistry.get(core);
    isHidden ||= isSecret(core);
    optional ||= core instanceof z.ZodOptional;
    if (core instanceof z.ZodPrefault) defaultValue ??= core.def.defaultValue as Tree;
    if (core instanceof z.ZodPrefault || core instanceof z.ZodOptional) core = core.unwrap();
    else if (core instanceof z.ZodPipe) core = core.in;
    else break;
  }
  const note = meta?.defaultNote;
  return {
    core,
    description: meta?.description,
    defaultNote: typeof note === "string" ? note : undefined,
    defaultValue,
    hidden: isHidden,
    optional,
  };
}

/** Returns all keys in the schema's order, with `*` for the index of a list and `<name>` for the name in a record. */
export function keysOf(schema: z.core.$ZodType, path: Path = []): Key[] {
  const { core, description, defaultNote, defaultValue } = peel(schema);
  const own: Key = { path, description: description ?? "", defaultValue, defaultNote, schema };
  if (core instanceof z.ZodObject)
    return Object.entries(core.shape).flatMap(([name, below]) => keysOf(below, [...path, name]));
  if (core instanceof z.ZodArray && isGroup(core.element))
    return [own, ...keysOf(core.element, [...path, "*"])];
  if (core instanceof z.ZodRecord && isGroup(core.valueType))
    return [own, ...keysOf(core.valueType, [...path, "<name>"])];
  return [own];
}

/** Returns the schema below a name in a group, list or record, or `undefined` if there is none. */
export function below(schema: z.core.$ZodType, name: string): z.core.$ZodType | undefined {
  const { core } = peel(schema);
  if (core instanceof z.ZodObject) return Object.hasOwn(core.shape, name) ? core.shape[name] : undefined;
  if (core instanceof z.ZodArray) return /^\d+$/.test(name) ? core.element : undefined;
  return core instanceof z.ZodRecord ? core.valueType : undefined;
}

export function isGroup(schema: z.core.$ZodType): boolean {
  return peel(schema).core instanceof z.ZodObject;
}

/** Reports whether a variable for this value is plain text rather than YAML. */
export function isText(schema: z.core.$ZodType): boolean {
  const { core } = peel(schema);
  return core instanceof z.ZodString || core instanceof z.ZodEnum || core instanceof z.ZodLiteral;
}

/** A URL that contains credentials is refused, and must not show them then. */
const urlCredentials = /\b([a-z]+:\/\/)[^/\s@]+@/gi;

/** Returns the value with secrets hidden, also those within URLs. */
export function shown(schema: z.core.$ZodType | undefined, tree: Tree): Tree {
  if (schema === undefined || tree === null) return tree;
  if (peel(schema).hidden) return hidden;
  if (Array.isArray(tree)) return tree.map((one, index) => shown(below(schema, String(index)), one));
  if (!isNames(tree)) return tree.replace(urlCredentials, `$1${hidden}@`);
  return Object.fromEntries(
    Object.entries(tree).map(([name, value]) => [name, shown(below(schema, name), value)]),
  );
}
