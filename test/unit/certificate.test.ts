// The identity in a client certificate: exactly the name written by its CA, and nobody unless there is exactly one name.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type CertificateName, identityOf } from "../../src/auth/certificate.js";
import { type ClientCertificate, parseAlternativeNames } from "../../src/domain/client-certificate.js";
import { issueCertificate } from "../support/certificates.js";

function certificate(commonNames: readonly string[], alternatives = ""): ClientCertificate {
  return { commonNames, alternativeNames: parseAlternativeNames(alternatives), validTo: 0 };
}

const mixed = "DNS:a.example, email:ci@a.example, URI:spiffe://a/ci, IP Address:127.0.0.1";

const cases: readonly [what: string, ClientCertificate, CertificateName, subject: string | undefined][] = [
  ["a common name", certificate(["ci"]), "cn", "certificate:ci"],
  ["no common name", certificate([], mixed), "cn", undefined],
  ["two common names", certificate(["ci", "admin"]), "cn", undefined],
  ["an empty common name", certificate([""]), "cn", undefined],
  ["a common name with two lines", certificate(["ci\nadmin"]), "cn", undefined],
  ["a common name that is too long", certificate(["c".repeat(300)]), "cn", undefined],
  ["a DNS name among others", certificate(["ci"], mixed), "dns", "certificate:a.example"],
  ["an email address among others", certificate([], mixed), "email", "certificate:ci@a.example"],
  ["a URI among others", certificate([], mixed), "uri", "certificate:spiffe://a/ci"],
  ["two DNS names", certificate([], "DNS:a.example, DNS:b.example"), "dns", undefined],
  ["no URI", certificate(["ci"], "DNS:a.example"), "uri", undefined],
];

for (const [what, given, which, subject] of cases) {
  test(`${what}, selected by ${which}: ${subject ?? "nobody"}`, () => {
    const identity = identityOf(given, which);
    assert.equal(identity?.subject, subject);
    assert.equal(identity?.kind, subject && "certificate");
  });
}

test("a name inside another name is not a name", async () => {
  const value = "a.example, DNS:admin";
  const names = [
    { type: "url", value: `https://x/, URI:spiffe://admin` },
    { type: "dns", value },
  ] as const;
  const issued = await issueCertificate({ name: "x", authority: true, names });
  const text = issued.certificate.subjectAltName ?? "";
  assert.match(text, /admin/);
  const parsed = parseAlternativeNames(text);
  assert.deepEqual(parsed, [
    { kind: "uri", value: "https://x/, URI:spiffe://admin" },
    { kind: "dns", value },
  ]);
});

test("names with any content are parsed as they were written", () => {
  const kind = fc.constantFrom("dns", "email", "uri");
  const name = fc.record({ kind, value: fc.string() }, { noNullPrototype: true });
  const written = { dns: "DNS", email: "email", uri: "URI" } as const;
  fc.assert(
    fc.property(fc.array(name), (names) => {
      const text = names.map(({ kind, value }) => `${written[kind]}:${quotedWhereNeeded(value)}`).join(", ");
      assert.deepEqual(parseAlternativeNames(text), names);
    }),
  );
});

/** As in node:crypto. */
function quotedWhereNeeded(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) && !/[",'\\]/.test(value) ? value : JSON.stringify(value);
}

test("any other text is parsed without an error", () => {
  const part = fc.constantFrom("DNS:", "URI:", "a", '"', "\\", ", ", "é", "\u0000", '"a, DNS:b"', '"\\a"');
  fc.assert(fc.property(fc.array(part), (parts) => Array.isArray(parseAlternativeNames(parts.join("")))));
});
