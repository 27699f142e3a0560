// A thousand pushes through a proxy with the settings of docs/operating.md, half of them chunked, without a failure; and the
// response to an nginx that uses HTTP/1.0.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { needs } from "../clients/support.js";
import type { Client } from "../support/client.js";
import { blobOf } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { withProxy } from "./with-proxy.js";

const pushes = 1000;
const atOnce = 8;

const gantry = await startGantry({ REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]" });
after(() => gantry.stop());

const http11 = 'proxy_http_version 1.1; proxy_set_header Connection "";';

const nginx = (port: number, version: string) => `
daemon off; error_log stderr; pid nginx.pid; events {}
http {
  access_log off;
  upstream gantry { server ${gantry.host}; keepalive 16; keepalive_timeout 8s; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0; proxy_request_buffering off; proxy_buffering off;
    location / {
      proxy_pass http://gantry; ${version}
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}`;

const haproxy = (port: number) => `
defaults
  mode http
  timeout connect 5s
  timeout client 180s
  timeout server 180s
  option http-server-close
frontend registry
  bind 127.0.0.1:${port}
  http-request set-header X-Forwarded-For %[src]
  default_backend gantry
backend gantry
  server gantry ${gantry.host}
`;

async function pushMany(client: Client): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let index = next++; index < pushes; index = next++) {
      const { bytes, digest } = blobOf(`push ${index}`);
      const body = index % 2 === 0 ? { body: bytes } : { pieces: [bytes] };
      const answer = await client.request("POST", `/v2/proxied/blobs/uploads/?digest=${digest}`, body);
      assert.equal(answer.status, 201, `push ${index}: ${answer.body.toString()}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

test("a thousand pushes through nginx with kept connections succeed", { skip: needs("nginx") }, async () => {
  const port = await freePort();
  await withProxy(
    ["nginx", "-p", "DIR", "-c", "nginx.conf"],
    nginx(port, http11),
    "nginx.conf",
    [port],
    ([client]) => pushMany(client),
  );
});

test("a thousand pushes through HAProxy succeed", {
  skip: needs("haproxy"),
}, async () => {
  const port = await freePort();
  await withProxy(["haproxy", "-db", "-f", "haproxy.cfg"], haproxy(port), "haproxy.cfg", [port], ([client]) =>
    pushMany(client),
  );
});

test("nginx gets 505 if it uses HTTP/1.0", { skip: needs("nginx") }, async () => {
  const port = await freePort();
  await withProxy(
    ["nginx", "-p", "DIR", "-c", "nginx.conf"],
    nginx(port, "proxy_http_version 1.0;"),
    "nginx.conf",
    [port],
    async ([client]) => {
      assert.equal((await client.get("/v2/")).status, 505);
    },
  );
});
