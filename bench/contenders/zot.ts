/** zot with the minimal configuration of its documentation, logging errors only. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, outputOf, startProcess } from "../processes.js";
import { answering, type Place, type Profile, type Started, whenReady } from "./profile.js";

export const zot: Profile = {
  program: "zot",
  durability: "its default: nothing synced (storage.commit is off)",
  configuration: "its defaults, log level error",
  version: async (program) => versionIn(await outputOf(program, ["--version"])),
  start,
};

/** It is reported in a line of its log. */
function versionIn(line: string): string {
  const { commit, "binary-type": kind } = JSON.parse(line) as Readonly<Record<string, string>>;
  return `${commit}, ${kind}`;
}

async function start({ program, folder, dataFolder, tls }: Place): Promise<Started> {
  const port = await freePort();
  const path = join(folder, "config.json");
  await writeFile(
    path,
    JSON.stringify({
      storage: { rootDirectory: dataFolder },
      http: {
        address: "127.0.0.1",
        port: String(port),
        tls: tls && { cert: tls.certificate, key: tls.key },
      },
      log: { level: "error" },
    }),
  );
  const running = startProcess(program, ["serve", path]);
  return await whenReady(running, () => answering(port));
}
