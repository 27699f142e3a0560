/**
 * Proxies whose connections to Gantry are idle for about as long as Gantry keeps them, over a link on which a close takes a
 * while to arrive: with the settings of docs/operating.md no request gets a 502. Without them some do.
 */
import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "../clients/support.js";
import type { Client } from "../support/client.js";
import { blobOf } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { readPage } from "./page.js";
import { withProxy } from "./with-proxy.js";

/** Around the 10 to 14 s after which Gantry closes a connection. Each has its own port and connections. */
const idleSeconds = [8, 9.5, 9.8, 10, 10.2, 10.5, 11, 12, 13, 14];
const bursts = 3;
const atOnce = 16;
const lineMilliseconds = 100;

/** A link that delays everything, including the end of a connection. */
async function slowLine(port: number): Promise<number> {
  const pipe = (from: Socket, to: Socket) => {
    const later = (work: () => void) => setTimeout(() => to.destroyed || work(), lineMilliseconds);
    from.on("data", (bytes) => later(() => to.write(bytes)));
    from.on("end", () => later(() => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => later(() => to.destroySoon()));
  };
  const server: Server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    pipe(near, far);
    pipe(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return (server.address() as { port: number }).port;
}

async function burst(client: Client): Promise<void> {
  const requests = Array.from({ length: atOnce }, async (_, index) => {
    if (index % 4 === 0) return client.get("/v2/");
    const { bytes, digest } = blobOf(1000);
    return client.request("POST", `/v2/proxied/blobs/uploads/?digest=${digest}`, { body: bytes });
  });
  for (const { status } of await Promise.all(requests))
    assert.ok(status === 200 || status === 201, `${status}`);
}

const lanes = async (setting: string, lane: (port: number, index: number) => string) => {
  const page = await readPage("docs/operating.md");
  assert.ok(page.includes(setting), `the page has "${setting}"`);
  const ports = await Promise.all(idleSeconds.map(() => freePort()));
  return { ports, config: ports.map(lane).join("\n") };
};

interface Proxied {
  readonly command: readonly string[];
  /** The setting on the page; empty if Gantry has one instead. */
  readonly setting: string;
  /** `upstream` is Gantry's port. */
  readonly lane: (upstream: number, port: number, index: number) => string;
  readonly around: (lanes: string) => string;
}

const nginx = (setting: string): Proxied => ({
  command: ["nginx", "-p", "DIR", "-c", "DIR/proxy.conf"],
  setting,
  lane: (upstream, port, index) => `
    upstream gantry${index} { server 127.0.0.1:${upstream}; keepalive 32; ${setting} }
    server {
      listen 127.0.0.1:${port};
      client_max_body_size 0; proxy_request_buffering off; proxy_buffering off;
      location / {
        proxy_pass http://gantry${index}; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      }
    }`,
  around: (servers) =>
    `daemon off; error_log stderr; pid nginx.pid; events {} http { access_log off; ${servers} }`,
});

const haproxy = (setting: string): Proxied => ({
  command: ["haproxy", "-db", "-f", "DIR/proxy.conf"],
  setting,
  lane: (upstream, port, index) => `
frontend registry${index}
  bind 127.0.0.1:${port}
  http-request set-header X-Forwarded-For %[src]
  default_backend gantry${index}
backend gantry${index}
  server gantry 127.0.0.1:${upstream}`,
  around: (sections) => `
defaults
  mode http
  timeout connect 5s
  timeout client 180s
  timeout server 180s
  ${setting === "" ? "http-reuse always" : setting}
${sections}
`,
});

const caddy = (setting: string): Proxied => ({
  command: ["caddy", "run", "--config", "DIR/proxy.conf", "--adapter", "caddyfile"],
  setting,
  lane: (upstream, port) => `
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${upstream} {
    ${setting === "" ? "" : "transport http {\n      keepalive 8s\n    }"}
  }
}`,
  around: (sites) => `{\n  admin off\n  auto_https off\n}\n${sites}`,
});

const trusted = { REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]" };

describe("after seconds without a request no client gets a 502", { concurrency: true }, () => {
  for (const [what, { command, setting, lane, around }, settings] of [
    ["nginx", nginx("keepalive_timeout 8s;"), trusted],
    ["HAProxy", haproxy("option http-server-close"), trusted],
    ["Caddy", caddy("transport http { keepalive 8s }"), trusted],
    [
      "nginx without a setting, if Gantry ends each connection",
      nginx(""),
      { ...trusted, REGISTRY_HTTP_KEEPALIVE: "false" },
    ],
  ] as const)
    test(`through ${what}`, { skip: needs(command[0] ?? "") }, async () => {
      await using gantry = await startGantry(settings);
      const upstream = await slowLine(Number(new URL(gantry.url).port));
      const { ports, config } = await lanes(setting, (port, index) => lane(upstream, port, index));
      await withProxy(command, around(config), "proxy.conf", ports, async (clients) => {
        await Promise.all(
          clients.map(async (client, index) => {
            await burst(client);
            for (let count = 1; count < bursts; count++) {
              await sleep((idleSeconds[index] ?? 0) * 1000);
              await burst(client);
            }
          }),
        );
      });
    });
});
