// Generators for the property tests: names, tags and digests by the specification's grammars, text that nearly follows them,
// and the kind of error that a call throws.

import fc from "fast-check";
import { RegistryError, RegistryErrors } from "../../src/domain/errors.js";

/** Text of any kind: mostly short, with a preference for the characters of the grammars. */
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

/** One component of a name, including those that the layout on disk uses itself. */
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

/** Hexadecimal text of about the right length after one of these algorithms. */
export function withLengths(algorithms: readonly string[]): fc.Arbitrary<string> {
  const encoded = fc.oneof(
    ...[1, 63, 64, 65, 127, 128, 129, 300].map(hexOf),
    hexOf(64).map((hex) => hex.toUpperCase()),
  );
  return fc.tuple(fc.constantFrom(...algorithms), encoded).map(([algorithm, hex]) => `${algorithm}:${hex}`);
}

/** Returns the kind of error that `work` throws, or `"none"`. Rethrows unexpected errors. */
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
