// Builds the package from this checkout, like its publisher.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../clients/support.js";

/** The checkout; this file is two folders deep in `dist`. */
export const checkout = fileURLToPath(new URL("../../..", import.meta.url));

/** Copies the checkout's files into a folder, without installed or built files. */
export async function copyCheckout(folder: string): Promise<void> {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = (await run("git", list, { cwd: checkout })).split("\0").filter((file) => file !== "");
  await run("cp", ["--parents", "--target-directory", folder, ...files], { cwd: checkout });
}

export interface Package {
  /** The `.tgz`. */
  readonly file: string;
  /** Paths of its files, as in the checkout. */
  readonly contents: readonly string[];
}

export async function pack(folder: string): Promise<Package> {
  const said = await run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], {
    cwd: checkout,
  });
  const [packed] = JSON.parse(said) as { filename: string; files: { path: string }[] }[];
  if (packed === undefined) throw new Error(`npm pack created no package: ${said}`);
  return { file: join(folder, packed.filename), contents: packed.files.map(({ path }) => path) };
}
