/** Sizes and their spelling. Rates and memory are decimal (MB), bodies binary (MiB), as in DESIGN's tables. */

export const kibibyte = 1024;
export const mebibyte = 1024 * kibibyte;
export const gibibyte = 1024 * mebibyte;
export const megabyte = 1_000_000;
export const gigabyte = 1000 * megabyte;

/** Three significant digits, with separated thousands: easy to read in a table cell. */
export function spell(value: number): string {
  if (!Number.isFinite(value)) {
    return "-";
  }
  if (Math.abs(value) < 1) {
    return value.toLocaleString("en-US", { minimumSignificantDigits: 2, maximumSignificantDigits: 3 });
  }
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
