// Somebody has replaced a folder of the store by a symbolic link to a folder elsewhere, with the same files: nothing is
// written, renamed or removed there, and the log names the folder.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Answer, Client } from "../support/client.js";
import { type Blob, blobOf, describe, type Image, image, types } from "../support/content.js";
import { startInside } from "../support/inside.js";

const name = "linked/app";
const settings = { REGISTRY_GC_INTERVAL: "0s" };

interface Pushed {
  readonly client: Client;
  readonly made: Image;
  /** Of `made`; pushed and pointed to by no tag. */
  readonly referrer: Image;
  /** A blob that is not in the store. */
  readonly fresh: Blob;
}

interface Case {
  readonly what: string;
  /** Path of the folder that becomes a link, below the root. */
  readonly link: (pushed: Omit<Pushed, "client">) => string;
  readonly act: (pushed: Pushed) => Promise<Answer>;
  /** By default 500. */
  readonly status?: number;
}

const hexOf = ({ digest }: Blob) => digest.slice("sha256:".length);
const pushBlob = ({ client, fresh }: Pushed) =>
  client.request("POST", `/v2/${name}/blobs/uploads/?digest=${fresh.digest}`, { body: fresh.bytes });
const pushReferrer = async ({ client, made }: Pushed) => {
  const { blobs, bytes, mediaType } = image({ subject: describe(made) });
  await client.pushBlobs(name, ...blobs);
  return client.putManifest(name, "referrer", bytes, mediaType);
};

const cases: readonly Case[] = [
  { what: "a push of a blob to a linked repository", link: () => `blobs/${name}`, act: pushBlob },
  { what: "a push of a blob below a linked namespace", link: () => "blobs/linked", act: pushBlob },
  {
    what: "a push of a blob to a linked folder of contents",
    link: ({ fresh }) => `content/sha256/${hexOf(fresh).slice(0, 2)}`,
    act: pushBlob,
  },
  { what: "a push of a blob to linked contents", link: () => "content/sha256", act: pushBlob },
  {
    what: "an upload in two requests",
    link: () => `blobs/${name}`,
    act: async ({ client, fresh }) => {
      const session = await client.openUpload(name);
      await client.patch(session, fresh.bytes);
      return client.close(session, fresh.digest);
    },
  },
  {
    what: "a mount into a linked repository",
    link: () => `blobs/${name}`,
    act: async ({ client, fresh }) => {
      await client.pushBlobs("other/app", fresh);
      const path = `/v2/${name}/blobs/uploads/?mount=${fresh.digest}&from=other/app`;
      return client.request("POST", path, { body: "" });
    },
  },
  {
    what: "a deletion of a blob",
    link: () => `blobs/${name}`,
    act: ({ client, made }) => client.delete(`/v2/${name}/blobs/${made.blobs[0]?.digest}`),
  },
  {
    what: "a push of a manifest to a linked repository",
    link: () => `manifests/${name}`,
    act: ({ client, made }) => client.putManifest(name, made.digest, made.bytes, types.manifest),
  },
  {
    // It is not found, because what is behind a link is not read.
    what: "a deletion of a manifest",
    status: 404,
    link: () => `manifests/${name}`,
    act: ({ client, made }) => client.delete(`/v2/${name}/manifests/${made.digest}`),
  },
  {
    what: "a new tag",
    link: () => `manifests/${name}/tags`,
    act: ({ client, made }) => client.putManifest(name, "new", made.bytes, types.manifest),
  },
  {
    what: "a tag that moves",
    link: () => `manifests/${name}/tags`,
    act: ({ client, referrer }) => client.putManifest(name, "v1", referrer.bytes, types.manifest),
  },
  {
    what: "a tag that moves and is a link itself",
    link: () => `manifests/${name}/tags/v1`,
    act: ({ client, referrer }) => client.putManifest(name, "v1", referrer.bytes, types.manifest),
  },
  {
    what: "a deletion of a tag",
    link: () => `manifests/${name}/tags`,
    act: ({ client }) => client.delete(`/v2/${name}/manifests/v1`),
  },
  {
    what: "a deletion of a tag whose history goes elsewhere",
    link: () => `manifests/${name}/tags/.history`,
    act: ({ client }) => client.delete(`/v2/${name}/manifests/v1`),
  },
  {
    what: "a deletion of a tag whose earlier history is elsewhere",
    link: () => `manifests/${name}/tags/.history/v1`,
    act: ({ client }) => client.delete(`/v2/${name}/manifests/v1`),
  },
  { what: "a referrer of any subject", link: () => `manifests/${name}/_referrers`, act: pushReferrer },
  {
    what: "a referrer of one subject",
    link: ({ made }) => `manifests/${name}/_referrers/${made.digest}`,
    act: pushReferrer,
  },
  {
    what: "a deletion of a referrer",
    link: ({ made }) => `manifests/${name}/_referrers/${made.digest}`,
    act: ({ client, referrer }) => client.delete(`/v2/${name}/manifests/${referrer.digest}`),
  },
];

for (const { what, link, act, status = 500 } of cases)
  test(`${what} changes nothing behind a link`, async () => {
    const [root, outside] = await Promise.all(
      ["store", "outside"].map((kind) => mkdtemp(join(tmpdir(), `gantry-planted-${kind}-`))),
    );
    assert.ok(root !== undefined && outside !== undefined);
    after(() => Promise.all([root, outside].map((folder) => rm(folder, { recursive: true, force: true }))));
    const writing = await startInside(settings, root);
    const pushing = new Client(writing.url);
    const [made, fresh] = [image(), blobOf(5_000)];
    const referrer = image({ subject: describe(made) });
    // Removed once, so that it has a history among the removed tags.
    await pushing.pushImage(name, made, "v1");
    await pushing.delete(`/v2/${name}/manifests/v1`);
    await pushing.pushImage(name, made, "v1");
    await pushing.pushImage(name, referrer);
    // A blob with the same first digits, so that the folder of the contents exists.
    await pushing.pushBlobs("other/twin", fresh);
    await pushing.delete(`/v2/other/twin/blobs/${fresh.digest}`);
    await writing.stop();
    const path = `${root}/${link({ made, referrer, fresh })}`;
    await rename(path, `${outside}/kept`).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EXDEV") throw error;
      await cp(path, `${outside}/kept`, { recursive: true });
      await rm(path, { recursive: true });
    });
    await symlink(`${outside}/kept`, path);
    const before = await readdir(outside, { recursive: true });

    await using server = await startInside(settings, root);
    const answer = await act({ client: new Client(server.url), made, referrer, fresh });
    assert.equal(answer.status, status, answer.body.toString());
    assert.deepEqual((await readdir(outside, { recursive: true })).sort(), before.sort());
    assert.ok(server.log().includes(path.slice(root.length + 1)), server.log());
  });
