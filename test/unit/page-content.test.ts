// What pages read of untrusted content: its beginning, its archives and its Markdown, within bounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { artifactKindOf } from "../../src/domain/artifact-kind.js";
import type { HistoryStep } from "../../src/domain/image-config.js";
import { imageSteps } from "../../src/domain/image-steps.js";
import { type DescriptorDetails, readManifestDetails } from "../../src/domain/manifest-details.js";
import { textHead } from "../../src/domain/text-head.js";
import { fitItems, fitLine, fitText, htmlBytes } from "../../src/http/web/fit.js";
import { relative } from "../../src/http/web/show.js";
import { Deadline } from "../../src/lib/deadline.js";
import { LateResults } from "../../src/lib/late-results.js";
import { prettyJson } from "../../src/lib/pretty-json.js";
import { renderReadme } from "../../workers/pages/readme.js";
import { tarFiles } from "../../workers/pages/tar-files.js";
import { blobOf, descriptorOf, index, manifestOf, types } from "../support/content.js";
import { tarball } from "../web/hostile-content.js";
import { hostileTexts } from "../web/hostile-texts.js";

test("pretty JSON is the same JSON, indented", () => {
  for (const value of [{}, [], [[]], { a: [1, { b: 'x,{}[]:\\"' }], c: null }, "text", 1.5]) {
    const { text, isTruncated } = prettyJson(JSON.stringify(value), 10_000);
    assert.equal(text, JSON.stringify(value, null, 2));
    assert.equal(isTruncated, false);
  }
});

test("pretty JSON keeps what parsing would lose, and ends at its limit", () => {
  assert.equal(prettyJson('{"a":1.0,"a":1e2}', 1000).text, '{\n  "a": 1.0,\n  "a": 1e2\n}');
  for (const json of ["[".repeat(1_000_000), `["${"x".repeat(1_000_000)}`, "1,".repeat(1_000_000)]) {
    const { text, isTruncated } = prettyJson(json, 1000);
    assert.ok(text.length <= 1000);
    assert.ok(isTruncated);
  }
});

test("the head of a text has no broken characters", () => {
  assert.deepEqual(textHead(Buffer.from([0x61, 0xff, 0x62])), { text: "a\ufffdb", isTruncated: false });
  assert.equal(textHead(Buffer.from("x".repeat(100_000))).isTruncated, true);
});

test("text fits into its bytes of a page, however it is escaped", () => {
  for (const text of hostileTexts)
    for (const max of [0, 1, 3, 10, 100, 1000]) {
      for (const fitted of [fitLine(text, max), fitText(text, max)])
        assert.ok(htmlBytes(fitted) <= Math.max(3, max), `${fitted} in ${max}`);
    }
  assert.equal(fitLine("short", 100), "short");
  assert.deepEqual(
    fitItems([1, 2, 3], 5, (item) => item),
    [1, 2],
  );
  assert.deepEqual(
    fitItems([9, 1], 5, (item) => item),
    [9],
  );
});

function step(createdBy: string, isEmpty = false): HistoryStep {
  return { createdBy, isEmpty, created: undefined, author: undefined, comment: undefined };
}

function layersOf(count: number): { readonly items: readonly DescriptorDetails[]; readonly total: number } {
  const manifest = manifestOf({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptorOf(blobOf(1), types.config),
    layers: Array.from({ length: count }, () => descriptorOf(blobOf(1), types.layer)),
  });
  return readManifestDetails(manifest.bytes)?.entries ?? { items: [], total: 0 };
}

test("steps without a layer have none, and the others have theirs in order", () => {
  const entries = layersOf(2);
  const items = [step("a"), step("b", true), step("c")];
  const { steps, fits } = imageSteps({ entries }, { history: { items, total: 3 }, layerSteps: 2 });
  assert.ok(fits);
  assert.deepEqual(
    steps.map((one) => [one.step?.createdBy, one.layer && entries.items.indexOf(one.layer)]),
    [
      ["a", 0],
      ["b", undefined],
      ["c", 1],
    ],
  );
});

test("without a step for each layer, no layer is given to a step", () => {
  const entries = layersOf(3);
  const { steps, fits } = imageSteps(
    { entries },
    { history: { items: [step("a")], total: 1 }, layerSteps: 1 },
  );
  assert.ok(!fits);
  assert.equal(steps.length, 4);
  assert.ok(steps.every((one) => one.step === undefined || one.layer === undefined));
  assert.equal(imageSteps({ entries }, undefined).fits, true);
});

test("kinds by media types", () => {
  const spdx = { kind: "image", artifactType: "application/spdx+json" } as const;
  assert.equal(artifactKindOf(spdx), "sbom");
  const bundle = {
    kind: "image",
    artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    annotations: new Map([
      ["dev.sigstore.bundle.content", "dsse-envelope"],
      ["dev.sigstore.bundle.predicateType", "https://slsa.dev/provenance/v1"],
    ]),
  } as const;
  assert.equal(artifactKindOf(bundle), "attestation");
  const sign = new Map([
    ...bundle.annotations,
    ["dev.sigstore.bundle.predicateType", "https://sigstore.dev/cosign/sign/v1"] as const,
  ]);
  assert.equal(artifactKindOf({ ...bundle, annotations: sign }), "signature");
  const cache = {
    kind: "index",
    entryMediaTypes: [types.layer, "application/vnd.buildkit.cacheconfig.v0"],
  } as const;
  assert.equal(artifactKindOf(cache), "cache");
  assert.equal(artifactKindOf({ kind: "index", entryMediaTypes: [types.manifest] }), "index");
});

test("damaged manifests have no details, and malformed parts are left out", () => {
  for (const text of ["", "[]", "null", '"x"', "[".repeat(1_000_000)])
    assert.equal(readManifestDetails(Buffer.from(text)), undefined);
  const details = readManifestDetails(
    Buffer.from('{"manifests":[1,{"digest":"x"},{}],"annotations":{"a":1,"b":"c"},"subject":[]}'),
  );
  assert.deepEqual(details?.entries, { items: [], total: 3 });
  assert.deepEqual(details?.annotations.items, [["b", "c"]]);
  const many = index([], {
    manifests: Array.from({ length: 10_000 }, () => descriptorOf(blobOf(1), types.manifest)),
  });
  assert.ok((readManifestDetails(many.bytes)?.entries.items.length ?? 0) <= 2_000);
});

const limits = { bytesMax: 1024 * 1024, fileBytesMax: 1000 };
const namedAny = (path: string) => (path.endsWith("/README.md") ? "readme" : undefined);

test("files of an archive are found and cut, and bombs end at the limit", async () => {
  const long = await tarFiles(
    tarball({ "a/other": "x".repeat(3_000), "a/README.md": "y".repeat(5_000) }),
    namedAny,
    1,
    limits,
  );
  assert.equal(long.get("readme")?.toString(), "y".repeat(1_000));
  const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024, "0"));
  const started = performance.now();
  await assert.rejects(tarFiles(bomb, namedAny, 1, limits));
  const untilLimit = performance.now() - started;
  gunzipSync(bomb);
  const untilEnd = performance.now() - started - untilLimit;
  assert.ok(untilLimit < untilEnd / 2, `${untilLimit} ms of ${untilEnd}`);
  const hidden = tarball({ "a/big": "0".repeat(8 * 1024 * 1024), "a/README.md": "late" });
  assert.equal((await tarFiles(hidden, namedAny, 1, limits)).size, 0);
  await assert.rejects(tarFiles(Buffer.from("no gzip"), namedAny, 1, limits));
});

test("a README has no markup but that of Markdown, and no address but of the web", () => {
  const all = hostileTexts.map((text) => `# ${text}\n\n[${text}](${text})\n\n![${text}](${text})\n\n${text}`);
  const html = renderReadme(Buffer.from(all.join("\n\n"))).join("");
  const tags = new Set(Array.from(html.matchAll(/<\/?([a-z0-9]+)/gi), ([, tag]) => tag));
  for (const tag of tags)
    assert.match(String(tag), /^(?:h[3-6]|p|a|em|strong|code|pre|ul|ol|li|blockquote|hr|br|div|table|s)$/);
  for (const [, href = ""] of html.matchAll(/href="([^"]*)"/g))
    assert.match(href, /^(?:https?:\/\/|mailto:)/);
  assert.doesNotMatch(html, /<[^>]* on\w+=|<h[12]/);
  for (const character of ["\u202e", "\u0000", "\u001b"]) assert.ok(!html.includes(character));
});

test("a README is cut into parts of whole blocks", () => {
  const parts = renderReadme(
    Buffer.from(Array.from({ length: 2_000 }, () => "- a\n\ntext *b*").join("\n\n")),
  );
  assert.equal(parts.length, 4);
  for (const part of parts) {
    assert.ok(Buffer.byteLength(part) <= 10_000);
    assert.equal(part.match(/<ul>/g)?.length, part.match(/<\/ul>/g)?.length);
  }
});

test("no more work runs than its bounds, in total and for one client", async () => {
  const late = new LateResults();
  let begun = 0;
  const ends: (() => void)[] = [];
  const work = () => {
    begun++;
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const begin = (client: string, number: number) =>
    late.within(`${client} ${number}`, new Deadline(0), work, client);
  for (let number = 0; number < 100; number++) assert.equal(await begin("greedy", number), undefined);
  assert.equal(begun, 16);
  for (let number = 0; number < 200; number++) await begin(`client ${number}`, number);
  assert.equal(begun, 128);
  for (const end of ends) end();
  await new Promise(setImmediate);
  await begin("greedy", 100);
  assert.equal(begun, 129);
});

test("a result that came too late is given to the next caller, once", async () => {
  const late = new LateResults();
  let begun = 0;
  let end = (_: string) => {};
  const work = () => {
    begun++;
    return new Promise<string>((resolve) => {
      end = resolve;
    });
  };
  assert.equal(await late.within("key", new Deadline(0), work), undefined);
  end("first");
  assert.equal(await late.within("key", new Deadline(1_000), work), "first");
  const again = late.within("key", new Deadline(1_000), work);
  end("second");
  assert.equal(await again, "second");
  assert.equal(begun, 2);
});

const day = 86_400;

for (const [seconds, text] of [
  [-20, "just now"],
  [20, "in a moment"],
  [-59, "1 minute ago"],
  [3 * 3600 - 1, "in 3 hours"],
  [day - 5, "in 24 hours"],
  [30 * day - 5, "in 30 days"],
  [90 * day - 5, "in 90 days"],
  [365 * day - 5, "in 12 months"],
  [-800 * day, "2 years ago"],
] as const)
  test(`${seconds} seconds from now are "${text}"`, () => {
    assert.equal(relative(1_000 * seconds, 0), text);
  });
