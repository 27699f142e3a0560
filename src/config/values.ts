/**
 * The types of values in settings. Each is parsed from text, because an environment variable is text, and because files
 * are read so that `0.1`, `5000` and `true` stay the text as written.
 */
import { z } from "zod";
import { isAddressRange } from "../lib/address-ranges.js";
import { parseBytes } from "../lib/parse-bytes.js";

export const text = z.string("expected text").min(1, "expected text of one character or more");

export const addressRange = text.refine(
  isAddressRange,
  "expected an address or a range, such as 10.0.0.7 or 10.0.0.0/8",
);

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

/** Booleans of YAML 1.1, which CNCF distribution accepts. */
export const flag = z.string("expected true or false").transform((given, context) => {
  const truth = truths[given.toLowerCase()];
  if (truth !== undefined) return truth;
  context.addIssue("expected true or false");
  return z.NEVER;
});

export function integer({ min, max }: { readonly min: number; readonly max: number }) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z.string(expected).transform((given, context) => {
    const number = /^-?\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
    if (number >= min && number <= max) return number;
    context.addIssue(expected);
    return z.NEVER;
  });
}

export function choice<const T extends string>(options: readonly T[]) {
  return z.enum(options, `expected ${oneOf(options)}`);
}

/** `"a", "b" or "c"`, without the quotes. */
export function oneOf(options: readonly string[]): string {
  const [last = "", ...others] = options.toReversed();
  return others.length === 0 ? last : `${others.toReversed().join(", ")} or ${last}`;
}

const expectedRatio = "expected a number from 0 to 1, such as 0.01";

export const ratio = z.string(expectedRatio).transform((given, context) => {
  const number = /^[\d.]+(?:e-?\d+)?$/i.test(given) ? Number(given) : Number.NaN;
  if (number >= 0 && number <= 1) return number;
  context.addIssue(expectedRatio);
  return z.NEVER;
});

const secondsOf: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Parses a time as CNCF distribution writes it, such as `90s`, `1h30m` or `168h`, and also `30d`, into seconds. Returns
 * `undefined` for other text.
 */
export function durationSeconds(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit = ""] of text.matchAll(/([\d.]+)(ms|[smhd])/g))
    seconds += Number(amount) * (secondsOf[unit] ?? 0);
  return seconds;
}

const expectedTime = "expected a time such as 90s, 5m, 168h or 30d";

/** In seconds. */
export const duration = z.string(expectedTime).transform((given, context) => {
  const seconds = durationSeconds(given);
  if (seconds !== undefined) return seconds;
  context.addIssue(expectedTime);
  return z.NEVER;
});

/** In seconds, `undefined` for `never`. */
export const durationOrNever = z.string(`${expectedTime}, or never`).transform((given, context) => {
  if (given === "never") return undefined;
  const seconds = durationSeconds(given);
  if (seconds !== undefined) return seconds;
  context.addIssue(`${expectedTime}, or never`);
  return z.NEVER;
});

/** A chunk of a transfer should not wait for much longer than a second. */
const bytesPerSecondMin = 64 * 1024;

const expectedRate = "expected a rate per second such as 50MiB, at least 64KiB";

/** In bytes per second. */
export const byteRate = z.string(expectedRate).transform((given, context) => {
  const bytes = parseBytes(given);
  if (bytes !== undefined && bytes >= bytesPerSecondMin) return bytes;
  context.addIssue(expectedRate);
  return z.NEVER;
});

const expectedAddress = "expected host:port, such as 127.0.0.1:5000, [::1]:5000 or :5000 for all interfaces";

const portMax = 65_535;

export const address = z.string(expectedAddress).transform((given, context) => {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[^:]*)):(?<port>\d+)$/.exec(given);
  const port = Number(match?.groups?.port);
  if (match === null || port > portMax) {
    context.addIssue(match === null ? expectedAddress : `expected a port from 0 to ${portMax}`);
    return z.NEVER;
  }
  return { host: match.groups?.v6 ?? match.groups?.host ?? "", port };
});

const expectedOrigin = "expected http://host or https://host, with a port or none and no path";

/** Normalized as in a URL: lower case, no default port. */
export const origin = z.string(expectedOrigin).transform((given, context) => {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  context.addIssue(expectedOrigin);
  return z.NEVER;
});

const expectedUrl = "expected an http:// or https:// URL without a name and a password";

/** URL of a server to which Gantry sends data. It is shown, so it must contain no secret. */
export const url = z.string(expectedUrl).transform((given, context) => {
  const parsed = URL.canParse(given) ? new URL(given) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && !parsed.username && !parsed.password)
    return parsed.href;
  context.addIssue(expectedUrl);
  return z.NEVER;
});

/** In environment variables, a list is YAML or JSON in one variable, or elements in variables that end in `_0`, `_1`, …. */
export function list<T extends z.ZodType>(element: T) {
  return z.array(element, "expected a list, such as [a, b]");
}

/** User-chosen names, each with a value. In environment variables, YAML or JSON in one variable, or `…_NAME`. */
export function record<T extends z.ZodType>(value: T) {
  return z.record(z.string().min(1), value, "expected names with values");
}
