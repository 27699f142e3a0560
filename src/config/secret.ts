/** A value that cannot leak by accident: when printed, logged or serialized, it shows only that it is hidden. */
import { inspect } from "node:util";
import { z } from "zod";

export const hidden = "(hidden)";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** Returns the value. Pass it on to its consumer and keep no copy. */
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

/** Schemas derived from a registered one, such as one with a description, inherit the mark. */
const secrets = z.registry<{ secret: true }>();

/** A setting whose value is hidden wherever settings are shown, even if it is invalid. */
export function secret(value = z.string().min(1, "expected a secret of one character or more")) {
  return concealed(value.transform((text) => new Secret(text)));
}

/** The same for a group or list that contains secrets, because it may be given in the wrong form. */
export function concealed<T extends z.ZodType>(schema: T): T {
  secrets.add(schema, { secret: true });
  return schema;
}

export function isSecret(schema: z.core.$ZodType): boolean {
  return secrets.get(schema) !== undefined;
}

/** An unknown key may be a secret; its name suggests it. */
const perhapsSecret = /secret|password|passwd|token|key|credential|authorization|header/i;

/** Returns the value of an unknown key in a form that may be shown. */
export function shownUnknown(key: string, value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return perhapsSecret.test(key) ? hidden : JSON.stringify(value);
}
