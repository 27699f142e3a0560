/**
 * CNCF distribution, the most common reference: 2.8 from Debian, and 3. Both with their documented example configuration
 * (in-memory descriptor cache), without an access log.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Upstream } from "../driver/upstream.js";
import { freePort, outputOf, startProcess } from "../processes.js";
import { answering, type Place, type Profile, type Started, whenReady } from "./profile.js";
import { accessKey, bucket, farMilliseconds, onS3Store, secretKey, storeProgram } from "./s3-store.js";

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

/** With its documented settings of a cache. */
export const distribution3Mirror: Profile = {
  ...distribution3,
  configuration: "cache of the bench's upstream, cache of its example, no access log",
  start: async (place) =>
    start(place, {
      OTEL_TRACES_EXPORTER: "none",
      REGISTRY_PROXY_REMOTEURL: (await Upstream.shared()).url,
    }),
};

/** With the smallest settings that its documentation gives for a store that is not Amazon's. */
function onS3(isFar: boolean): Profile {
  return {
    ...distribution3,
    needs: [storeProgram],
    durability: "what versitygw promises",
    configuration: `its S3 driver over versitygw${isFar ? `, ${farMilliseconds} ms away` : ""}, no redirects, cache of its example, no access log`,
    start: (place) =>
      onS3Store(place.dataFolder, { isFar }, ({ endpoint }) =>
        start(
          place,
          { OTEL_TRACES_EXPORTER: "none" },
          {
            s3: {
              bucket,
              region: "us-east-1",
              regionendpoint: endpoint,
              accesskey: accessKey,
              secretkey: secretKey,
              forcepathstyle: true,
              secure: false,
            },
            redirect: { disable: true },
          },
        ),
      ),
  };
}

export const distribution3OnS3 = onS3(false);
export const distribution3OnFarS3 = onS3(true);

async function start(
  { program, folder, dataFolder, tls }: Place,
  environment: Readonly<Record<string, string>>,
  driver: object = { filesystem: { rootdirectory: dataFolder } },
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
        ...driver,
        delete: { enabled: true },
      },
      http: { addr: `127.0.0.1:${port}`, tls },
    }),
  );
  const running = startProcess(program, ["serve", path], environment);
  return await whenReady(running, () => answering(port));
}
