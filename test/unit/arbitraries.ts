// What the property tests draw from: names, tags and digests by the specification's grammars, text that
// nearly follows them, and the kind of error that something throws.

import fc from "fast-check";
import { RegistryError, RegistryErrors } from "../../src/domain/errors.js";

/** Text of any kind: mostly short, with the characters that the grammars are about far more often. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."abz09AZ._-/:+=%~ \0\n") }),
);

const alphanumeric = fc.string({
  unit: fc.constantFrom(..."abcxyz0189"),
  minLength: 1,
  maxLength: 6,
});
const separator = fc.constantFrom(".", "_", "__", "-", "--", "---");

/** One component of a name, with those among them that the layout on disk uses itself. */
export const components: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("tags", "blobs", "manifests", "uploads", "content", "list", "a") },
  {
    weight: 5,
    arbitrary: fc
      .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 2 }))
      .map(([first, rest]) => first + rest.flat().join("")),
  },
);

export const names: fc.Arbitrary<string> = fc
  .array(components, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/"));

const tagStart = fc.constantFrom(..."abYZ09_");
export const tags: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("tags", "manifest", "manifest.sha256", "_referrers", "_tags", "latest"),
  fc
    .tuple(tagStart, fc.string({ unit: fc.constantFrom(..."abYZ09_.-"), maxLength: 127 }))
    .map(([first, rest]) => first + rest),
);

const hexOf = (digits: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits });

export const digests: fc.Arbitrary<string> = fc.oneof(
  hexOf(64).map((hex) => `sha256:${hex}`),
  hexOf(128).map((hex) => `sha512:${hex}`),
  hexOf(64).map((hex) => `blake3:${hex}`),
);

/** Hexadecimal text of about the right length behind one of these algorithms. */
export function withLengths(algorithms: readonly string[]): fc.Arbitrary<string> {
  const encoded = fc.oneof(
    ...[1, 63, 64, 65, 127, 128, 129, 300].map(hexOf),
    hexOf(64).map((hex) => hex.toUpperCase()),
  );
  return fc.tuple(fc.constantFrom(...algorithms), encoded).map(([algorithm, hex]) => `${algorithm}:${hex}`);
}

/** The kind of error that `work` throws, `"none"` where it doesn't. What is no error of ours goes on. */
export function kindOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    if (error instanceof RegistryErrors) return error.errors[0].kind;
    throw error;
  }
}
