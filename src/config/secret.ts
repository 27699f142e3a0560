/** A value that nobody may read by accident: printed, logged or made JSON of, it shows that it is hidden. */
import { inspect } from "node:util";
import { z } from "zod";

export const hidden = "(hidden)";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, to be handed on to what needs it and kept nowhere. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}

/** Inherited by what is made of a schema, such as the same with a description. */
const secrets = z.registry<{ secret: true }>();

/** A setting whose value is hidden wherever settings are shown, also where it is wrong. */
export function secret(value = z.string().min(1, "expected a secret of one character or more")) {
  return concealed(value.transform((text) => new Secret(text)));
}

/** The same for a group or list with secrets in it, which somebody may give in the wrong form. */
export function concealed<T extends z.ZodType>(schema: T): T {
  secrets.add(schema, { secret: true });
  return schema;
}

export function isSecret(schema: z.core.$ZodType): boolean {
  return secrets.get(schema) !== undefined;
}

/** Nobody has said of an unknown key whether it is a secret. */
const perhapsSecret = /secret|password|passwd|token|key|credential|authorization|header/i;

/** A value of a key that nobody knows, as it may be shown. */
export function shownUnknown(key: string, value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return perhapsSecret.test(key) ? hidden : JSON.stringify(value);
}
