// Manifests: any bytes give a manifest or a typed error, valid ones parse to what the rules need, and ambiguous documents
// are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Manifest,
  type ManifestBounds,
  parseManifest,
  parseStoredManifest,
} from "../../src/domain/manifest.js";
import { mediaTypes, withoutParameters } from "../../src/domain/media-type.js";
import { digests, kindOf } from "./arbitraries.js";

const bounds: ManifestBounds = {
  depthMax: 32,
  keysMax: 100_000,
  descriptorsMax: 10_000,
  annotationBytesMax: 262_144,
};

function parse(bytes: Uint8Array, contentType: string): Manifest {
  return parseManifest(bytes, contentType, bounds);
}

const { ociManifest, ociIndex, dockerManifest, dockerList } = mediaTypes;
const contentTypes = fc.constantFrom("", ...Object.values(mediaTypes), "application/json");

function bytesOf(json: unknown): Buffer {
  return Buffer.from(JSON.stringify(json) ?? "null");
}

const data = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const descriptor = fc.oneof(
  fc.record(
    {
      mediaType: fc.constantFrom("application/octet-stream", "application/vnd.example+json"),
      digest: digests,
      size: fc.nat(),
      annotations: fc.constant({ a: "b" }),
      urls: fc.constant(["https://example.com"]),
      "com.example.field": fc.jsonValue(),
    },
    { requiredKeys: ["mediaType", "digest", "size"] },
  ),
  fc.record({ mediaType: fc.constant("application/x"), digest: digests, data }).map((entry) => ({
    ...entry,
    data: entry.data.toString("base64"),
    size: entry.data.length,
  })),
);
const annotations = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4, noNullPrototype: true });
const extra = {
  subject: descriptor,
  annotations,
  artifactType: fc.constantFrom("", "application/vnd.example.sbom"),
};

const validImage = fc.record(
  {
    schemaVersion: fc.constant(2),
    mediaType: fc.constantFrom(ociManifest, dockerManifest),
    config: descriptor,
    layers: fc.array(descriptor, { maxLength: 4 }),
    ...extra,
  },
  { requiredKeys: ["schemaVersion", "mediaType", "config", "layers"] },
);
const validIndex = fc.record(
  {
    schemaVersion: fc.constant(2),
    mediaType: fc.constantFrom(ociIndex, dockerList),
    manifests: fc.oneof(fc.array(descriptor, { maxLength: 4 }), fc.constant(null)),
    ...extra,
  },
  { requiredKeys: ["schemaVersion", "mediaType", "manifests"] },
);

test("any bytes give a manifest or a typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), contentTypes, (bytes, contentType) => {
      assert.equal(
        kindOf(() => parse(bytes, contentType)),
        "manifest-invalid",
      );
    }),
    { numRuns: 500 },
  );
});

test("any JSON gives a manifest or a typed error", () => {
  const fields = fc.record(
    {
      schemaVersion: fc.oneof(fc.constant(2), fc.jsonValue()),
      mediaType: fc.oneof(fc.constantFrom(ociManifest, ociIndex), fc.jsonValue()),
      config: fc.oneof(descriptor, fc.jsonValue()),
      layers: fc.oneof(fc.array(descriptor), fc.jsonValue()),
      manifests: fc.oneof(fc.array(descriptor), fc.jsonValue()),
      subject: fc.oneof(descriptor, fc.jsonValue()),
      annotations: fc.oneof(annotations, fc.jsonValue()),
      artifactType: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fields), contentTypes, (json, contentType) => {
      const kind = kindOf(() => parse(bytesOf(json), contentType));
      assert.ok(kind === "none" || kind === "manifest-invalid", kind);
    }),
    { numRuns: 3000 },
  );
});

test("a valid image names its config and its layers in order, and no children", () => {
  fc.assert(
    fc.property(validImage, fc.boolean(), (json, withType) => {
      const manifest = parse(bytesOf(json), withType ? json.mediaType : "");
      assert.equal(manifest.kind, "image");
      assert.equal(manifest.mediaType, json.mediaType);
      assert.deepEqual(
        manifest.blobs.map(({ digest }) => digest),
        [json.config, ...json.layers].map(({ digest }) => digest),
      );
      assert.deepEqual(manifest.children, []);
      assert.equal(manifest.subject?.digest, json.subject?.digest);
      assert.equal(manifest.artifactType, json.artifactType || json.config.mediaType);
      assert.deepEqual(manifest.annotations, json.annotations);
      assert.equal(parseStoredManifest(bytesOf(json)).mediaType, json.mediaType);
    }),
  );
});

test("a valid index names its manifests, and has an artifact type only if it states one", () => {
  fc.assert(
    fc.property(validIndex, fc.boolean(), (json, withType) => {
      const manifest = parse(bytesOf(json), withType ? json.mediaType : "");
      assert.equal(manifest.kind, "index");
      assert.deepEqual(manifest.blobs, []);
      assert.deepEqual(
        manifest.children.map(({ digest }) => digest),
        (json.manifests ?? []).map(({ digest }) => digest),
      );
      assert.equal(manifest.artifactType, json.artifactType || undefined);
    }),
  );
});

test("embedded data is decoded from base64", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  fc.assert(
    fc.property(data, (bytes) => {
      const config = {
        mediaType: "application/x",
        digest,
        size: bytes.length,
        data: bytes.toString("base64"),
      };
      const { blobs } = parse(bytesOf({ schemaVersion: 2, mediaType: ociManifest, config }), "");
      assert.deepEqual(blobs[0]?.data, bytes);
    }),
  );
});

const sound = { mediaType: "application/x", digest: `sha256:${"0".repeat(64)}`, size: 1 };
const image = { schemaVersion: 2, mediaType: ociManifest, config: sound, layers: [] };
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [] };
const bad: readonly [what: string, json: unknown, contentType?: string][] = [
  ["null", null],
  ["a list", []],
  ["a string", "manifest"],
  ["an empty object", {}],
  ["without a schema version", { ...image, schemaVersion: undefined }],
  ["with a schema version as text", { ...image, schemaVersion: "2" }],
  ["of schema version 3", { ...image, schemaVersion: 3 }],
  ["of schema 1", { schemaVersion: 1, name: "a", tag: "b", fsLayers: [], history: [] }],
  ["schema 1 by its Content-Type", image, mediaTypes.dockerSchema1Signed],
  ["whose media type differs from its header", image, ociIndex],
  ["with a foreign type", { ...image, mediaType: "application/json" }],
  ["with a number as type", { ...image, mediaType: 2 }],
  ["with an empty type", { ...image, mediaType: "" }],
  ["an image that lists manifests", { ...image, manifests: [] }],
  ["an image whose manifests are null", { ...image, manifests: null }],
  ["an index with a config", { ...index, config: sound }],
  ["an index with layers", { ...index, layers: [] }],
  ["an index with fsLayers", { ...index, fsLayers: [] }],
  ["both by shape, without a type", { ...index, config: sound, mediaType: undefined }],
  ["an index without manifests", { schemaVersion: 2, mediaType: ociIndex }],
  ["an image without config", { ...image, config: undefined }],
  ["a Docker manifest without its media type", { ...image, mediaType: undefined }, dockerManifest],
  ["layers that are an object", { ...image, layers: {} }],
  ["a layer that is null", { ...image, layers: [null] }],
  ["a layer without media type", { ...image, layers: [{ ...sound, mediaType: undefined }] }],
  ["a layer without digest", { ...image, layers: [{ ...sound, digest: undefined }] }],
  ["a layer with an unsupported digest", { ...image, layers: [{ ...sound, digest: "md5:00" }] }],
  ["a layer of negative size", { ...image, layers: [{ ...sound, size: -1 }] }],
  ["a layer of half a byte", { ...image, layers: [{ ...sound, size: 0.5 }] }],
  ["a layer with a size as text", { ...image, layers: [{ ...sound, size: "1" }] }],
  ["a layer with a size beyond exact integers", { ...image, layers: [{ ...sound, size: 2 ** 53 }] }],
  ["data that is not base64", { ...image, config: { ...sound, data: "?" } }],
  ["data that is a number", { ...image, config: { ...sound, data: 1 } }],
  ["a subject that is text", { ...image, subject: "sha256:00" }],
  ["annotations that are a list", { ...image, annotations: [] }],
  ["annotations of numbers", { ...image, annotations: { a: 1 } }],
  ["an artifact type that is a number", { ...image, artifactType: 1 }],
];
for (const [what, json, contentType = ""] of bad) {
  test(`a manifest that is ${what} is invalid`, () => {
    assert.equal(
      kindOf(() => parse(bytesOf(json), contentType)),
      "manifest-invalid",
    );
  });
}

test("a byte order mark, invalid UTF-8 and endlessly nested JSON are invalid", () => {
  const documents = [
    Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytesOf(image)]),
    Buffer.concat([bytesOf(image).subarray(0, -1), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]),
    Buffer.from("[".repeat(1_000_000)),
    Buffer.from(`${'{"config":'.repeat(100_000)}1${"}".repeat(100_000)}`),
  ];
  for (const bytes of documents) {
    assert.equal(
      kindOf(() => parse(bytes, "")),
      "manifest-invalid",
    );
  }
});

test("only OCI documents may omit their type, which then follows from header or shape", () => {
  const { mediaType: _image, ...untypedImage } = image;
  const { mediaType: _index, ...untypedIndex } = index;
  assert.equal(parse(bytesOf(untypedImage), "").mediaType, ociManifest);
  assert.equal(parse(bytesOf(untypedImage), ociManifest).mediaType, ociManifest);
  assert.equal(parse(bytesOf(untypedIndex), "").mediaType, ociIndex);
  assert.equal(parse(bytesOf(untypedIndex), ociIndex).mediaType, ociIndex);
});

test("non-distributable layers need not be in the registry", () => {
  const elsewhere = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ];
  const layers = elsewhere.map((mediaType) => ({ ...sound, mediaType }));
  assert.equal(parse(bytesOf({ ...image, layers }), "").blobs.length, 1);
});

test("a Content-Type is compared without parameters and in lower case", () => {
  assert.equal(withoutParameters(` ${ociIndex.toUpperCase()} ; charset=utf-8`), ociIndex);
  assert.equal(withoutParameters(""), "");
});

/** JSON text, because a JavaScript object has each key once. */
const digest = `sha256:${"0".repeat(64)}`;
const soundText = JSON.stringify(sound);
const ambiguous: readonly [what: string, text: string][] = [
  [
    "layers and Layers",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[],"Layers":[]}`,
  ],
  [
    "Layers alone",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"Layers":[${soundText}]}`,
  ],
  [
    "layers twice",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[${soundText}],"layers":[]}`,
  ],
  [
    "layers twice, once escaped",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[],"l\\u0061yers":[]}`,
  ],
  [
    "a long s",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layerſ":[${soundText}]}`,
  ],
  [
    "a capitalized subject",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[],"SUBJECT":${soundText}}`,
  ],
  [
    "a second digest in a layer",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[{"mediaType":"x","digest":"${digest}","Digest":"${digest}","size":1}]}`,
  ],
  [
    "a second architecture",
    `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[{"mediaType":"x","digest":"${digest}","size":1,"platform":{"os":"linux","OS":"windows"}}]}`,
  ],
  [
    "a schema version of 2.0",
    `{"schemaVersion":2.0,"mediaType":"${ociManifest}","config":${soundText},"layers":[]}`,
  ],
  [
    "a size of 1e0",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText.replace('"size":1', '"size" : 1e0')},"layers":[]}`,
  ],
  [
    "an annotation twice",
    `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},"layers":[],"annotations":{"a":"1","a":"2"}}`,
  ],
];
for (const [what, text] of ambiguous) {
  test(`a manifest with ${what} is refused, because clients would interpret it differently`, () => {
    assert.equal(
      kindOf(() => parse(Buffer.from(text), "")),
      "manifest-invalid",
    );
  });
}

test("a key that an object has twice is named, cut and with its invisible characters escaped", () => {
  const long = "k".repeat(5_000);
  for (const [key, shown] of [
    ["layers", '"layers"'],
    [long, `"${"k".repeat(100)}…"`],
    ["a\n\u202eb", String.raw`"a\n\u202eb"`],
  ] as const) {
    const text = `{"schemaVersion":2,"annotations":{${[1, 2].map((value) => `${JSON.stringify(key)}:"${value}"`)}}}`;
    assert.throws(() => parse(Buffer.from(text), ""), {
      message: `an object in the manifest has a key twice: ${shown}`,
    });
  }
});

test("annotations may differ only in case, because all clients read them unchanged", () => {
  const annotations = { layers: "1", Layers: "2" };
  assert.deepEqual(parse(bytesOf({ ...image, annotations }), "").annotations, annotations);
});

test("a stored manifest that clients interpret differently names what any of them reads", () => {
  const [own, other] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
  const stored = (layers: string) =>
    parseStoredManifest(
      Buffer.from(`{"schemaVersion":2,"mediaType":"${ociManifest}","config":${soundText},${layers}}`),
    ).named;
  const layer = (name: string | undefined) => JSON.stringify([{ ...sound, digest: name }]);
  for (const layers of [
    `"layers":${layer(own)},"Layers":${layer(other)}`,
    `"layers":${layer(own)},"layers":${layer(other)}`,
  ])
    assert.deepEqual(new Set(stored(layers)), new Set([sound.digest, own, other]));
  assert.deepEqual(stored(`"layers":${layer(own)}`), [sound.digest, own]);
});

const excessive: readonly [what: string, json: unknown, setting: string][] = [
  ["layers", { ...image, layers: Array(10_001).fill(sound) }, "limits.manifestdescriptors"],
  ["manifests", { ...index, manifests: Array(10_001).fill(sound) }, "limits.manifestdescriptors"],
  [
    "annotations",
    { ...image, annotations: Object.fromEntries(Array.from({ length: 100_001 }, (_, key) => [key, ""])) },
    "limits.manifestkeys",
  ],
  ["list entries", { ...image, other: Array(200_001).fill(0) }, "limits.manifestkeys"],
  ["depth", { ...image, other: JSON.parse(`${"[".repeat(32)}${"]".repeat(32)}`) }, "limits.manifestdepth"],
  [
    "annotations beside a subject",
    { ...image, subject: sound, annotations: { a: "x".repeat(262_144) } },
    "limits.annotationbytes",
  ],
];
for (const [what, json, setting] of excessive) {
  test(`an excess is refused with the setting's name: ${what}`, () => {
    assert.throws(
      () => parse(bytesOf(json), ""),
      (error: Error) => error.message.includes(setting),
    );
  });
}

test("a manifest just within the bounds is accepted", () => {
  const layers = Array(10_000).fill(sound);
  const deep = JSON.parse(`${"[".repeat(31)}${"]".repeat(31)}`);
  assert.equal(parse(bytesOf({ ...image, layers, other: deep }), "").blobs.length, 10_001);
});

const malformedMediaTypes = [
  "application/vnd.example\n",
  "application/vnd.example\u001b[2J",
  "application/\u0000",
  "application/vnd.example\u007f",
  "application",
  "application/",
  "/vnd.example",
  "a/b/c",
  "application/vnd example",
  "application/é",
  `application/${"x".repeat(128)}`,
  "application/x; charset=\u0007",
];

test("a pushed manifest with malformed media types or artifact types is refused with the field's name", () => {
  for (const malformed of malformedMediaTypes) {
    const descriptor = { ...sound, mediaType: malformed };
    const places: readonly [where: RegExp, json: object][] = [
      [/config has a malformed mediaType/, { ...image, config: descriptor }],
      [/layers has a malformed mediaType/, { ...image, layers: [descriptor] }],
      [/subject has a malformed mediaType/, { ...image, subject: descriptor }],
      [/manifests has a malformed mediaType/, { ...index, manifests: [descriptor] }],
      [
        /manifests has a malformed artifactType/,
        { ...index, manifests: [{ ...sound, artifactType: malformed }] },
      ],
      [/the manifest has a malformed artifactType/, { ...image, artifactType: malformed }],
    ];
    for (const [where, json] of places) {
      const bytes = bytesOf(json);
      assert.throws(
        () => parse(bytes, ""),
        (error: Error) => where.test(error.message) && /RFC 6838/.test(error.message),
        `${where} with ${JSON.stringify(malformed)}`,
      );
      assert.ok(parseStoredManifest(bytes), "manifests stored by an earlier version stay readable");
    }
  }
});

test("unusual but well-formed media types are accepted", () => {
  for (const mediaType of [
    "sbom/example",
    "application/vnd.in-toto+json",
    "application/spdx+json;version=2.3",
    'text/plain; charset="utf-8"',
    "Application/VND.Example!#$&^_.+-1",
    `${"t".repeat(127)}/${"s".repeat(127)}`,
    "application/vnd.oci.image.layer.v1.tar+gzip",
  ]) {
    const descriptor = { ...sound, mediaType, artifactType: mediaType };
    parse(bytesOf({ ...image, layers: [descriptor], artifactType: mediaType }), "");
    parse(bytesOf({ ...index, manifests: [descriptor] }), "");
  }
  parse(bytesOf({ ...image, config: { ...sound, mediaType: "" }, artifactType: "" }), "");
});
