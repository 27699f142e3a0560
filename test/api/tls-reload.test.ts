// Certificates change while the server runs: open connections stay, new ones get the new certificate, and unusable files
// change nothing. In the main thread, where this version of Node allows it, and in the TLS thread.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { Client } from "../support/client.js";
import { startInside } from "../support/inside.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";
import { newCertificateFiles, serveTls } from "../support/tls.js";

/** Files are checked every two seconds. */
const reloadMillisecondsMax = 10_000;

for (const [where, settings] of [
  ["by default", {}],
  ["in the TLS thread", { REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" }],
] as const)
  describe(where, async () => {
    const { gantry, authority, files } = await serveTls(startInside, settings);
    const trusting = { ca: authority.pem };
    const ask = ["GET /v2/ HTTP/1.1", "Host: x"];

    async function newServerCertificate() {
      return authority.issue("registry", { addresses: ["127.0.0.1"] });
    }

    /** Returns the serial number of the certificate on a new connection. */
    async function shownSerial(): Promise<string> {
      using connection = await RawConnection.open(gantry.url, trusting);
      return (connection.socket as TLSSocket).getPeerCertificate().serialNumber;
    }

    test("certificates change under 64 busy clients without a failed request", async () => {
      using lasting = await RawConnection.open(gantry.url, trusting);
      let stopping = false;
      let answers = 0;
      const clients = Array.from({ length: 64 }, async (_, number) => {
        const kept = new Client(gantry.url, 1, trusting);
        while (!stopping) {
          // Half of them connect for each request.
          const client = number % 2 === 0 ? kept : new Client(gantry.url, 1, trusting);
          const headers = client === kept ? undefined : { Connection: "close" };
          assert.equal((await client.get("/v2/", headers)).status, 200);
          answers++;
        }
      });
      const changes = async () => {
        for (let change = 0; change < 3; change++) {
          const next = await newServerCertificate();
          await files.replace(next);
          const seen = async () =>
            (await shownSerial()) === next.certificate.serialNumber ? true : undefined;
          await eventually("the new certificate is used", seen, reloadMillisecondsMax);
          lasting.send(ask);
          assert.equal((await lasting.answer()).status, 200);
        }
      };
      const changed = changes().finally(() => {
        stopping = true;
      });
      await Promise.all([changed, ...clients]);
      assert.ok(answers > 100, `${answers} answers`);
    });

    const broken: readonly [
      name: string,
      certificate: (pem: string) => string,
      key: (pem: string) => string,
    ][] = [
      ["a certificate that is cut off", (pem) => pem.slice(0, 200), (key) => key],
      ["a key that is cut off", (pem) => pem, (key) => key.slice(0, 100)],
      ["an empty certificate", () => "", (key) => key],
      ["another certificate's key", (pem) => pem, () => otherKey],
    ];
    const otherKey = (await newServerCertificate()).keyPem;

    for (const [name, certificateOf, keyOf] of broken) {
      test(`${name}: the previous one stays in use, the log says so, and a valid one is loaded later`, async () => {
        const before = await shownSerial();
        const next = await newServerCertificate();
        const complaints = () => gantry.log().split("cannot be used").length;
        const complaintsBefore = complaints();
        await files.replace({ pem: certificateOf(next.pem), keyPem: keyOf(next.keyPem) });
        const told = () => (complaints() > complaintsBefore ? true : undefined);
        await eventually("the log reports it", told, reloadMillisecondsMax);
        assert.equal(await shownSerial(), before);
        await files.replace(next);
        const seen = async () => ((await shownSerial()) === next.certificate.serialNumber ? true : undefined);
        await eventually("the new certificate is used", seen, reloadMillisecondsMax);
      });
    }

    test("a server does not start with an unusable certificate, and says why", async () => {
      const unusable = await newCertificateFiles();
      await unusable.replace({ pem: (await newServerCertificate()).pem, keyPem: otherKey });
      await assert.rejects(
        startInside({ ...unusable.settings, ...settings }),
        /the key in \S+server\.key does not match/,
      );
      await unusable.write("server.pem", "none");
      await assert.rejects(
        startInside({ ...unusable.settings, ...settings }),
        /server\.pem contains no PEM certificate/,
      );
    });
  });
