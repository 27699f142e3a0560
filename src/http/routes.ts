/**
 * The whole API on one screen: the distribution specification's end-1 to end-14, the catalog, and our own. Each
 * row names the action for the gate's decision, and its handler gets the permit that the use case requires. The web page has
 * a table of its own (`web/routes.ts`).
 */

import { getBase } from "./base.js";
import { getBlob, headBlob } from "./blobs.js";
import { browserHeaders } from "./browser-guard.js";
import { deleteBlob, deleteManifest } from "./deletions.js";
import { getLiveness, getReadiness } from "./health.js";
import { getCatalog, getReferrers, getTags } from "./listings.js";
import { getManifest, putManifest } from "./manifests.js";
import { getMetrics } from "./metrics.js";
import type { Route } from "./router.js";
import { getHistory, getRemovedTags, postRollback } from "./tag-history.js";
import { getToken, postToken } from "./token.js";
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from "./uploads.js";

const conditional = ["if-none-match"];
const download = ["if-none-match", "range", "if-range"];
// Of requests that change something.
const change = browserHeaders;
const chunk = [...change, "content-length", "content-range"];
const typed = [...change, "content-type", "content-length"];
const preconditions = ["if-match", "if-none-match"];

// biome-ignore format: a table reads better in columns
export const routes = [
  // end-1
  { methods: ["GET", "HEAD"], path: "/v2/", action: "base", headers: [], handle: getBase },
  { methods: ["GET", "HEAD"], path: "/v2", action: "base", headers: [], handle: getBase },
  // end-2, end-10
  { methods: ["GET"], path: "/v2/<name>/blobs/<digest>", action: "pull", headers: download, handle: getBlob },
  { methods: ["HEAD"], path: "/v2/<name>/blobs/<digest>", action: "pull", headers: conditional, handle: headBlob },
  { methods: ["DELETE"], path: "/v2/<name>/blobs/<digest>", action: "delete", headers: change, handle: deleteBlob },
  // end-3, end-7, end-9
  { methods: ["GET", "HEAD"], path: "/v2/<name>/manifests/<reference>", action: "pull", headers: conditional, handle: getManifest },
  { methods: ["PUT"], path: "/v2/<name>/manifests/<reference>", action: "push", headers: [...typed, ...preconditions], body: true, handle: putManifest },
  { methods: ["DELETE"], path: "/v2/<name>/manifests/<reference>", action: "delete", headers: [...change, ...preconditions], handle: deleteManifest },
  // end-4, end-11
  { methods: ["POST"], path: "/v2/<name>/blobs/uploads/", action: "push", headers: chunk, body: true, handle: postUpload },
  { methods: ["POST"], path: "/v2/<name>/blobs/uploads", action: "push", headers: chunk, body: true, handle: postUpload },
  // end-5, end-6, end-13, end-14
  { methods: ["PATCH"], path: "/v2/<name>/blobs/uploads/<session>", action: "push", headers: chunk, body: true, handle: patchUpload },
  { methods: ["PUT"], path: "/v2/<name>/blobs/uploads/<session>", action: "push", headers: chunk, body: true, handle: putUpload },
  { methods: ["GET", "HEAD"], path: "/v2/<name>/blobs/uploads/<session>", action: "push", headers: [], handle: getUpload },
  { methods: ["DELETE"], path: "/v2/<name>/blobs/uploads/<session>", action: "push", headers: change, handle: deleteUpload },
  // end-8, end-12
  { methods: ["GET", "HEAD"], path: "/v2/<name>/tags/list", action: "pull", headers: [], handle: getTags },
  { methods: ["GET", "HEAD"], path: "/v2/<name>/referrers/<digest>", action: "pull", headers: [], handle: getReferrers },
  // the history of tags
  { methods: ["GET", "HEAD"], path: "/v2/<name>/_gantry/history/<tag>", action: "pull", headers: [], handle: getHistory },
  { methods: ["GET", "HEAD"], path: "/v2/<name>/_gantry/removed-tags", action: "pull", headers: [], handle: getRemovedTags },
  { methods: ["POST"], path: "/v2/<name>/_gantry/rollback/<tag>", action: "push", headers: [...change, ...preconditions], handle: postRollback },
  // Docker's token protocol
  { methods: ["GET"], path: "/token", action: "token", headers: [], handle: getToken },
  { methods: ["POST"], path: "/token", action: "token", headers: typed, body: true, handle: postToken },
  // catalog
  { methods: ["GET", "HEAD"], path: "/v2/_catalog", action: "catalog", headers: [], handle: getCatalog },
  // for operators
  { methods: ["GET", "HEAD"], path: "/livez", action: "public", headers: [], handle: getLiveness },
  { methods: ["GET", "HEAD"], path: "/readyz", action: "public", headers: [], handle: getReadiness },
  { methods: ["GET", "HEAD"], path: "/metrics", action: "metrics", headers: [], handle: getMetrics },
] as const satisfies readonly Route[];
