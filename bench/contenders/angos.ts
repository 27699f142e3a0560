/** Angos with the minimal configuration of its quickstart, for the repositories of the scenarios, logging errors only. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, outputOf, startProcess } from "../processes.js";
import { answering, type Place, type Profile, type Started, whenReady } from "./profile.js";

/** It serves only configured namespaces: the first segments of all names in the scenarios. */
const namespaces = ["bench", "ci", "zb"];

export const angos: Profile = {
  program: "angos",
  durability: "its default: nothing synced (sync_to_disk is off)",
  configuration: "its defaults, anonymous access, log level error",
  // It does not report its version.
  version: async (program) => `SHA-256 ${(await outputOf("sha256sum", [program])).slice(0, 12)}`,
  start,
};

async function start({ program, folder, dataFolder, tls }: Place): Promise<Started> {
  const port = await freePort();
  const path = join(folder, "config.toml");
  const text = (value: string) => JSON.stringify(value);
  await writeFile(
    path,
    [
      "[server]",
      'bind_address = "127.0.0.1"',
      `port = ${port}`,
      ...(tls === undefined
        ? []
        : [
            "[server.tls]",
            `server_certificate_bundle = ${text(tls.certificate)}`,
            `server_private_key = ${text(tls.key)}`,
          ]),
      "[blob_store.fs]",
      `root_dir = ${text(dataFolder)}`,
      "[global.access_policy]",
      'default = "allow"',
      ...namespaces.map((name) => `[repository.${text(name)}]`),
      "",
    ].join("\n"),
  );
  const running = startProcess(program, ["-c", path, "server"], { RUST_LOG: "error" });
  return await whenReady(running, () => answering(port));
}
