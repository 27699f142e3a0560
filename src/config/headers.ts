/** Names and values of HTTP headers in settings. */
import { z } from "zod";

/** The name of a header (RFC 9110, section 5.1), and none of `ours`, which Gantry sets itself. */
export function headerName(ours: ReadonlySet<string>) {
  return z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "expected the name of a header")
    .refine((name) => !ours.has(name.toLowerCase()), "expected a header that Gantry does not set itself");
}

/** RFC 9110, section 5.5: a line break would allow an injected message. */
export const headerValue = z
  .string("expected text")
  .regex(/^[\t\x20-\x7e]*$/, "expected printable ASCII text");
