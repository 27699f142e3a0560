/** nginx serving files by sendfile: the limit for pulls. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, outputOf, startProcess } from "../processes.js";
import { answering, type Place, type Profile, type Started, whenReady } from "./profile.js";

export const nginx: Profile = {
  program: "nginx",
  durability: "stores nothing",
  configuration: "sendfile, a worker for each core, no access log",
  version: (program) => outputOf(program, ["-v"]),
  start,
};

async function start({ program, folder, dataFolder }: Place): Promise<Started> {
  const port = await freePort();
  // A master run by root would serve with an account that may not enter the temporary folder.
  const user = process.getuid?.() === 0 ? "user root root;" : "";
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const path = join(folder, "nginx.conf");
  await writeFile(
    path,
    `${user} daemon off; worker_processes auto; pid ${folder}/pid; error_log stderr crit;
    events { worker_connections 8192; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
      ${scratch.join(" ")}
      server { listen 127.0.0.1:${port}; root ${dataFolder}; }
    }`,
  );
  const running = startProcess(program, ["-p", folder, "-c", path, "-e", "stderr"]);
  return await whenReady(running, () => answering(port));
}
