/** The licences of bundled packages, most of which require that copies contain them. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const inPackage = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const isNotice = /^(?:licen[cs]e|notice|copying)/i;

/** Writes name, version and licence files of all packages that have one of these modules. */
export async function writeNotices(root: string, file: string, modules: readonly string[]): Promise<void> {
  const folders = new Set(modules.flatMap((module) => inPackage.exec(module)?.[0] ?? []));
  const notices = await Promise.all([...folders].sort().map((folder) => noticeOf(join(root, folder))));
  await writeFile(file, notices.join("\n"));
}

async function noticeOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((name) => isNotice.test(name)).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  return [`${name} ${version}: ${license}`, ...texts.map((text) => text.trim()), ""].join("\n\n");
}
