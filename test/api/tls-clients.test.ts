// Clients with certificates: only those signed by one of the server's CAs count, and each identifies the client.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { ConnectionOptions, SecureContextOptions, TLSSocket } from "node:tls";
import { pino } from "pino";
import { Gate } from "../../src/auth/gate.js";
import { openPolicy } from "../../src/auth/policy.js";
import { App } from "../../src/http/app.js";
import type { Peer } from "../../src/http/peer.js";
import { Closers } from "../../src/lib/closers.js";
import { openTls } from "../../src/server/tls.js";
import type { Issued } from "../support/certificates.js";
import { Client } from "../support/client.js";
import { freePort } from "../support/free-port.js";
import { startInside } from "../support/inside.js";
import { RawConnection } from "../support/raw.js";
import { defaultBounds, serveInside } from "../support/server.js";
import { eventually } from "../support/store.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";

const inside = await serveInside();
const serverCa = await newAuthority("the server's CA");
const clientCa = await newAuthority("the clients' CA");
const strangeCa = await newAuthority("somebody's CA");
const files = await newCertificateFiles();
await files.replace(await serverCa.issue("registry", { addresses: ["127.0.0.1"] }));
const settings = {
  ...files.settings,
  REGISTRY_HTTP_TLS_CLIENTCAS_0: await files.write("clients.pem", clientCa.pem),
};
const debugAddress = `127.0.0.1:${await freePort()}`;
const required = await startInside({ ...settings, REGISTRY_HTTP_DEBUG_ADDR: debugAddress });
after(() => required.stop());
const optional = await startInside({
  ...settings,
  REGISTRY_HTTP_TLS_CLIENTAUTH: "verify-client-cert-if-given",
});
after(() => optional.stop());

const hour = 3_600_000;
const right = await clientCa.issue("ci");
const expired = await clientCa.issue("late", {
  notBefore: new Date(Date.now() - 2 * hour),
  notAfter: new Date(Date.now() - hour),
});
const early = await clientCa.issue("early", {
  notBefore: new Date(Date.now() + hour),
  notAfter: new Date(Date.now() + 2 * hour),
});
const strange = await strangeCa.issue("ci");
const byServerCa = await serverCa.issue("ci");

function showing(certificate: Issued | undefined): SecureContextOptions {
  if (certificate === undefined) return { ca: serverCa.pem };
  return { ca: serverCa.pem, cert: certificate.pem, key: certificate.keyPem };
}

const cases: readonly [name: string, certificate: Issued | undefined, required: number, optional: number][] =
  [
    ["a right certificate", right, 200, 200],
    // The registry's own response: such a client may log in by other means.
    ["no certificate", undefined, 403, 401],
    ["an expired certificate", expired, 403, 403],
    ["a certificate that is not valid yet", early, 403, 403],
    ["a certificate of another CA", strange, 403, 403],
    ["a certificate of the server's own CA", byServerCa, 403, 403],
  ];

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const)
  describe(`by ${maxVersion}`, () => {
    for (const [name, certificate, whenRequired, whenOptional] of cases) {
      test(`${name} gets ${whenRequired} where one is required, ${whenOptional} where not`, async () => {
        for (const [server, status] of [
          [required, whenRequired],
          [optional, whenOptional],
        ] as const) {
          const client = new Client(server.url, 1, { ...showing(certificate), maxVersion });
          const answer = await client.get("/v2/");
          assert.equal(answer.status, status, answer.body.toString());
          if (status === 403) assert.match(answer.body.toString(), /"DENIED".*client certificate/);
        }
      });
    }
  });

test("a certificate identifies the client, and its address is recorded too", async () => {
  const seen: Peer[] = [];
  const closers = new Closers((error) => assert.fail(String(error)));
  const tls = await openTls(
    { log: pino({ level: "silent" }), closers },
    {
      certificate: join(files.folder, "server.pem"),
      key: join(files.folder, "server.key"),
      minimumtls: "tls1.2",
      clientcas: [join(files.folder, "clients.pem")],
      clientauth: "verify-client-cert-if-given",
      clientname: "uri",
    },
    { limits: { total: 100, perClient: 100 }, proxies: [], onRefused: () => {} },
  );
  const app = new App({
    ...defaultBounds,
    services: inside.services,
    gate: new Gate(openPolicy),
    peerOf: tls.peerOf,
    observers: [({ incoming }) => void seen.push(incoming.peer)],
    onUnexpectedError: (error) => assert.fail(String(error)),
  });
  const { port } = await tls.listen(app, "::", 0, false);
  const job = await clientCa.issue("job", { names: [{ type: "url", value: "spiffe://ci/job" }] });
  try {
    for (const certificate of [job, right, undefined]) {
      const client = new Client(`https://127.0.0.1:${port}`, 1, showing(certificate));
      assert.equal((await client.get("/v2/")).status, 200);
    }
  } finally {
    app.close();
    await closers.close();
  }
  assert.deepEqual(
    seen.map(({ address, secure, certified }) => [address, secure, certified?.subject]),
    [
      ["127.0.0.1", true, "certificate:spiffe://ci/job"],
      // It has no name of that kind.
      ["127.0.0.1", true, undefined],
      ["127.0.0.1", true, undefined],
    ],
  );
});

test("a removed CA is no longer trusted, not even for a resumed session", async () => {
  const before = await RawConnection.open(required.url, { ...showing(right), maxVersion: "TLSv1.2" });
  const session = (before.socket as TLSSocket).getSession();
  assert.ok(session !== undefined);
  const again = { ...showing(right), maxVersion: "TLSv1.2", session } as const;
  using resumed = await RawConnection.open(required.url, again);
  assert.ok((resumed.socket as TLSSocket).isSessionReused(), "sessions are resumed");
  resumed.send(["GET /v2/ HTTP/1.1", "Host: x"]);
  assert.equal((await resumed.answer()).status, 200);
  await files.write("clients.pem", strangeCa.pem);
  const statusOf = async (options: ConnectionOptions) => {
    using connection = await RawConnection.open(required.url, options);
    connection.send(["GET /v2/ HTTP/1.1", "Host: x"]);
    return (await connection.answer()).status;
  };
  const taken = async () => ((await statusOf(showing(strange))) === 200 ? true : undefined);
  await eventually("the new CA is trusted", taken, 10_000);
  assert.equal(await statusOf(showing(right)), 403);
  assert.equal(await statusOf(again), 403);
});

test("probes without a certificate use the address of the debug server", async () => {
  for (const path of ["/livez", "/readyz"])
    await eventually(`200 of ${path}`, async () =>
      (await fetch(`http://${debugAddress}${path}`)).status === 200 ? true : undefined,
    );
});
