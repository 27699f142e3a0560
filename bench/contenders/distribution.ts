/**
 * CNCF distribution, the most common reference: 2.8 from Debian, and 3. Both with their documented example configuration
 * (in-memory descriptor cache), without an access log.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, outputOf, startProcess } from "../processes.js";
import { answering, type Place, type Profile, type Started, whenReady } from "./profile.js";

const configuration = "storage and cache of its example, deletion enabled, no access log";

export const dockerRegistry: Profile = {
  program: "docker-registry",
  durability: "files synced, their folders not",
  configuration,
  // The first word is the program's path.
  version: async (program) => (await outputOf(program, ["--version"])).replace(/^\S+ /, ""),
  start: (place) => start(place, {}),
};

export const distribution3: Profile = {
  ...dockerRegistry,
  program: "registry",
  durability: "files synced, and the folders of links; those of blobs not",
  // Otherwise each request is traced, and the traces are sent to an unused address.
  start: (place) => start(place, { OTEL_TRACES_EXPORTER: "none" }),
};

async function start(
  { program, folder, dataFolder, tls }: Place,
  environment: Readonly<Record<string, string>>,
): Promise<Started> {
  const port = await freePort();
  const path = join(folder, "config.yml");
  // JSON is YAML.
  await writeFile(
    path,
    JSON.stringify({
      version: "0.1",
      log: { level: "error", accesslog: { disabled: true } },
      storage: {
        cache: { blobdescriptor: "inmemory" },
        filesystem: { rootdirectory: dataFolder },
        delete: { enabled: true },
      },
      http: { addr: `127.0.0.1:${port}`, tls },
    }),
  );
  const running = startProcess(program, ["serve", path], environment);
  return await whenReady(running, () => answering(port));
}
