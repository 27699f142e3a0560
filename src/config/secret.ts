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

const secrets = new WeakSet<z.core.$ZodType>();

/** A setting whose value is hidden wherever settings are shown. */
export function secret() {
  const schema = z
    .string()
    .min(1, "expected a secret of one character or more")
    .transform((value) => new Secret(value));
  secrets.add(schema);
  return schema;
}

export function isSecret(schema: z.core.$ZodType): boolean {
  return secrets.has(schema);
}

/** Nobody has said of an unknown key whether it is a secret. */
const perhapsSecret = /secret|password|passwd|token|key|credential/i;

/** A value of a key that nobody knows, as it may be shown. */
export function shownUnknown(key: string, value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return perhapsSecret.test(key) ? hidden : JSON.stringify(value);
}
