/**
 * Clients log in, push and pull through TLS proxies that are not in the server's settings, with the headers that these
 * proxies send by default or according to their guides. No password is sent over the network in clear text.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cli } from "../support/cli.js";
import { startGantry } from "../support/gantry.js";
import { LoginFiles } from "../support/login.js";
import { eventually } from "../support/store.js";
import { newAuthority } from "../support/tls.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { type Caller, loginClients, type Made, type User } from "./login-clients.js";
import { address, hostName, type Machine, needsMachine, startMachine } from "./machine.js";
import { run, startDaemon, temporaryFolder } from "./support.js";

const files = await LoginFiles.make();
const user: User = { name: "dev", password: "a password that nobody else has" };
const proxyPort = 8443;

interface Served {
  readonly folder: string;
  /** The certificate and its key, in one file. */
  readonly pem: string;
  /** The address of Gantry. */
  readonly port: number;
}

const nginx = (headers: readonly string[]) => ({
  program: "nginx",
  args: ({ folder }: Served) => ["-p", folder, "-c", join(folder, "proxy.conf"), "-g", "daemon off;"],
  config: ({ pem, port, folder }: Served) => `
error_log stderr; pid ${folder}/nginx.pid; events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:${proxyPort} ssl;
    ssl_certificate ${pem}; ssl_certificate_key ${pem};
    client_max_body_size 0;
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      ${headers.map((header) => `proxy_set_header ${header};`).join("\n      ")}
    }
  }
}
`,
});

const haproxy = (lines: readonly string[]) => ({
  program: "haproxy",
  args: ({ folder }: Served) => ["-db", "-f", join(folder, "proxy.conf")],
  config: ({ pem, port }: Served) => `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend registry
  bind 127.0.0.1:${proxyPort} ssl crt ${pem}
  ${lines.join("\n  ")}
  default_backend gantry
backend gantry
  server gantry 127.0.0.1:${port}
`,
});

const proxies = [
  {
    name: "nginx, with the headers of distribution's guide",
    ...nginx([
      "Host $http_host",
      "X-Real-IP $remote_addr",
      "X-Forwarded-For $proxy_add_x_forwarded_for",
      "X-Forwarded-Proto $scheme",
    ]),
    bearer: true,
  },
  { name: "nginx, with Host alone", ...nginx(["Host $http_host"]), bearer: false },
  {
    name: "nginx behind another that terminates TLS",
    ...nginx(["Host $http_host", "X-Forwarded-For $remote_addr", "X-Forwarded-Proto http"]),
    bearer: false,
  },
  {
    name: "Traefik's headers",
    ...nginx([
      "Host $http_host",
      "X-Forwarded-For $remote_addr",
      "X-Forwarded-Host $http_host",
      "X-Forwarded-Port 443",
      "X-Forwarded-Proto https",
      "X-Forwarded-Server traefik",
      "X-Real-Ip $remote_addr",
    ]),
    bearer: true,
  },
  { name: "HAProxy with its defaults", ...haproxy([]), bearer: false },
  { name: "HAProxy with forwardfor", ...haproxy(["option forwardfor"]), bearer: false },
  {
    name: "HAProxy with X-Forwarded-Proto",
    ...haproxy(["option forwardfor", "http-request set-header X-Forwarded-Proto https"]),
    bearer: true,
  },
] as const;

const clients = loginClients.filter(({ name }) =>
  ["docker", "skopeo", "crane", "oras", "podman"].includes(name),
);
const watcher = fileURLToPath(new URL("clear-text-there.js", import.meta.url));

for (const proxy of proxies) {
  test(`through ${proxy.name}`, { skip: needsMachine("busybox", "curl", "nginx", "haproxy") }, async (t) => {
    await using folder = await temporaryFolder();
    await using machine = await startMachine(folder.path);
    await files.users({ [user.name]: user.password });
    const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
    const settings = { REGISTRY_HTTP_ADDR: "127.0.0.1:0", REGISTRY_AUTH_HTPASSWD_PATH };
    await using gantry = await startGantry(settings, undefined, [...machine.enter, process.execPath, cli]);
    const authority = await newAuthority("a private CA");
    const { pem, keyPem } = await authority.issue(hostName, { names: [{ type: "dns", value: hostName }] });
    const served: Served = {
      folder: folder.path,
      pem: join(folder.path, "proxy.pem"),
      port: Number(new URL(gantry.url).port),
    };
    const ca = join(folder.path, "ca.pem");
    const clear = join(folder.path, "clear-text");
    await writeFile(served.pem, pem + keyPem);
    await writeFile(ca, authority.pem);
    await writeFile(clear, "");
    await writeFile(join(folder.path, "proxy.conf"), proxy.config(served));
    await machine.trust(hostName, authority.pem);
    const probe = () =>
      machine.run("curl", ["--silent", "--fail", "--cacert", ca, `https://${hostName}/livez`]);
    const [enter, ...into] = machine.enter;
    await using _watcher = await startDaemon(
      enter,
      [...into, "--", process.execPath, watcher, address, String(proxyPort), clear],
      () => machine.run("curl", ["--silent", `http://${hostName}/started`]),
    );
    await using _proxy = await startDaemon(
      enter,
      [...into, "--", proxy.program, ...proxy.args(served)],
      probe,
    );
    // The watcher works if it has recorded the probe.
    assert.match(await readFile(clear, "utf8"), /^80: GET \/started HTTP\/1.1\r\n/);
    await writeFile(clear, "");

    const head = await machine.run("curl", ["--silent", "--cacert", ca, "--head", `https://${hostName}/v2/`]);
    const expected = proxy.bearer ? `Bearer realm="https://${hostName}/token"` : 'Basic realm="gantry"';
    assert.match(head, new RegExp(`^www-authenticate: ${expected}`, "im"));

    const warning = proxy.bearer
      ? "a proxy that is not in http.trustedproxies"
      : "set http.host to that address, or http.trustedproxies";
    await eventually(
      "a warning that names the setting",
      async () => gantry.log().includes(warning) || undefined,
    );

    const made = await makeImage(folder.path);
    for (const { name, skip, start } of clients) {
      await t.test(`${name} logs in, pushes and pulls`, { skip }, async () => {
        await using client = await start(machine, await mkdtemp(join(folder.path, "own-")));
        const caller = await callerOf(machine, await mkdtemp(join(folder.path, "caller-")), ca);
        await client.login?.(caller, user);
        const image = `${hostName}/team/${name}:latest`;
        await client.push(caller, image, made);
        assert.match(await client.pull(caller, image), /^sha256:/);
      });
    }
    assert.equal(await readFile(clear, "utf8"), "", "nothing was sent in clear text");
  });
}

async function callerOf(machine: Machine, folder: string, ca: string): Promise<Caller> {
  // podman needs it.
  await writeFile(join(folder, "auth.json"), "{}");
  const env = {
    HOME: folder,
    DOCKER_CONFIG: folder,
    REGISTRY_AUTH_FILE: join(folder, "auth.json"),
    SSL_CERT_FILE: ca,
  };
  return {
    run: (program, args, input = "") => machine.run(program, args, { env, input }),
    host: hostName,
    folder,
    user,
  };
}

async function makeImage(folder: string): Promise<Made> {
  const tar = join(folder, "root.tar");
  const layout = join(folder, "layout");
  const archive = join(folder, "image.tar");
  const contents = await runnableTar(uniqueText());
  await writeFile(tar, contents);
  await writeImage(layout, [contents]);
  await run("tar", ["-C", layout, "-cf", archive, "oci-layout", "index.json", "blobs"]);
  return { tar, layout, archive };
}
