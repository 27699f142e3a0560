/** The proxies of docs/operating.md, with the page's own settings: a client pushes and pulls through them. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { tarOf, writeImage } from "../clients/images.js";
import { needs, temporaryFolder } from "../clients/support.js";
import { newAuthority } from "../support/tls.js";
import { Machine, provideGantry } from "./machine.js";
import { exampleOf } from "./page.js";

const host = "registry.example.com";
const here = (first: string) => exampleOf("docs/operating.md", "Behind a proxy", first);

/** More than proxies accept by default. */
const layerBytes = 8 * 1024 * 1024;

/** The client connects from 127.0.0.2, which the registry's log must have instead of the proxy's address. */
const commands = (start: string) => `
mkdir -p /etc/gantry
cp -r tls settings.yaml /etc/gantry/
echo "127.0.0.1 ${host}" >> /etc/hosts
gantry serve --config /etc/gantry/settings.yaml > log 2>&1 3<&- 4>&- &
until grep -q '^gantry ready' log; do sleep 0.1; done
${start}
curl="curl --silent --fail --max-time 20 --cacert ca/ca.crt --interface 127.0.0.2"
until $curl https://${host}/v2/; do sleep 0.1; done
skopeo --insecure-policy copy --dest-cert-dir ca oci:image:latest docker://${host}/team/app:1
skopeo --insecure-policy copy --src-cert-dir ca docker://${host}/team/app:1 oci:pulled:1
cmp <(cd image/blobs && find . -type f | sort) <(cd pulled/blobs && find . -type f | sort)
until grep -q '"address":"127.0.0.2"' log; do sleep 0.1; done
`;

/** The page has only the server; the rest of nginx' file is the test's. */
const aroundServer = (server: string) =>
  `error_log error.log; pid nginx.pid; events {} http { access_log off; ${server} }`;

for (const [name, first, configOf, file, start] of [
  ["nginx", "server {", aroundServer, "nginx.conf", 'nginx -p "$PWD" -c nginx.conf'],
  ["HAProxy", "defaults", (whole: string) => whole, "haproxy.cfg", "haproxy -D -f haproxy.cfg"],
] as const)
  test(`a client pushes and pulls through ${name}, and is known by its address`, {
    skip: needs("unshare", "ip", "skopeo", "curl", "nginx", "haproxy"),
  }, async () => {
    await using folder = await temporaryFolder();
    const cwd = join(folder.path, "there");
    for (const made of ["tls", "ca", "bin"]) await mkdir(join(cwd, made), { recursive: true });
    const authority = await newAuthority("a CA");
    const { pem, keyPem } = await authority.issue(host, { names: [{ type: "dns", value: host }] });
    for (const [path, text] of Object.entries({
      "ca/ca.crt": authority.pem,
      "tls/fullchain.pem": pem,
      "tls/privkey.pem": keyPem,
      "tls/registry.pem": pem + keyPem,
      "settings.yaml": `storage: {filesystem: {rootdirectory: ${cwd}/store}}\n${await here("# settings.yaml")}`,
      [file]: configOf(await here(first)),
    }))
      await writeFile(join(cwd, path), text);
    await provideGantry(join(cwd, "bin"));
    await writeImage(join(cwd, "image"), [tarOf({ layer: randomBytes(layerBytes) })]);
    await using machine = await Machine.start({
      folder: folder.path,
      cwd,
      bin: join(cwd, "bin"),
      variables: {},
    });
    await machine.run(commands(start));
  });
