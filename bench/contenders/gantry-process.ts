/** Starts one process of Gantry. */
import { startProcess } from "../processes.js";
import { profilingFlags } from "../profile/profiles.js";
import { type Place, printedPort, type StartedNode, whenReady } from "./profile.js";

/** A profile's settings by environment variable. */
export type Own = Readonly<Record<string, string>>;

/** No contender writes an access log: its cost is a separate scenario. */
export const silent = { REGISTRY_LOG_ACCESSLOG_DISABLED: "true" } as const;

/** `command` is the compiled entry. */
export async function startGantry(
  command: string,
  { program, dataFolder, tls, settings, profileFolder }: Place,
  own: Own,
): Promise<StartedNode> {
  const flags = profileFolder === undefined ? [] : profilingFlags(profileFolder);
  const running = startProcess(program, [...flags, command, "serve"], {
    REGISTRY_HTTP_ADDR: "127.0.0.1:0",
    ...(own.REGISTRY_STORAGE_S3_BUCKET === undefined && {
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: dataFolder,
    }),
    ...(tls && { REGISTRY_HTTP_TLS_CERTIFICATE: tls.certificate, REGISTRY_HTTP_TLS_KEY: tls.key }),
    ...own,
    ...settings,
  });
  return await whenReady(running, printedPort(running));
}
