/** The web page on one screen. Paths on a repository have a component that begins with `_`, as no name's does. */
import type { Route } from "../router.js";
import { assetPaths } from "./assets.js";
import { getEvents, getRepositoryEvents } from "./events.js";
import { formHeaders } from "./forms.js";
import { file, form, page } from "./lazily.js";
import { patienceHeader } from "./page-deadline.js";
import { asset } from "./send-asset.js";

const visitor = ["cookie", patienceHeader];
const encodings = ["accept-encoding"];
const download = ["if-none-match", "range", "if-range"];
const posting = [...visitor, ...formHeaders];

// biome-ignore format: a table reads better in columns
export const webRoutes = [
  // A probe gets 200, whoever sends it.
  { methods: ["GET", "HEAD"], path: "/", action: "page", page: true, headers: visitor, handle: page(async () => (await import("./repositories.js")).getHome) },
  { methods: ["GET", "HEAD"], path: "/ui/", action: "catalog", page: true, headers: visitor, handle: page(async () => (await import("./repositories.js")).getRepositories) },
  { methods: ["GET", "HEAD"], path: "/ui", action: "catalog", page: true, headers: visitor, handle: page(async () => (await import("./repositories.js")).getRepositories) },
  { methods: ["GET", "HEAD"], path: "/ui/login", action: "page", page: true, headers: [...visitor, "sec-fetch-site"], handle: page(async () => (await import("./login.js")).getLogin) },
  { methods: ["POST"], path: "/ui/login", action: "login", page: true, body: true, headers: posting, handle: form(async () => (await import("./login.js")).postLogin) },
  { methods: ["POST"], path: "/ui/logout", action: "login", page: true, body: true, headers: posting, handle: form(async () => (await import("./login.js")).postLogout) },
  { methods: ["GET"], path: "/ui/oidc/login", action: "page", page: true, headers: visitor, handle: page(async () => (await import("./oidc.js")).getOidcLogin) },
  { methods: ["GET"], path: "/ui/oidc/callback", action: "login", page: true, headers: visitor, handle: page(async () => (await import("./oidc.js")).getOidcCallback) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./to-tags.js")).leadToTags) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./to-tags.js")).leadToTags) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_tags/", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./to-tags.js")).leadToTags) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_tags", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./tags.js")).getTagPage) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_image/<reference>", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./image.js")).getImagePage) },
  { methods: ["GET"], path: "/ui/r/<name>/_file/<digest>", action: "pull", page: true, headers: [...visitor, ...download], handle: file(async () => (await import("./file.js")).getFile) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_history/<tag>", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./history.js")).getHistoryPage) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_removed", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./removed-tags.js")).getRemovedPage) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_untagged", action: "pull", page: true, headers: visitor, handle: page(async () => (await import("./untagged.js")).getUntaggedPage) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_rollback/<tag>", action: "push", page: true, headers: visitor, handle: page(async () => (await import("./rollback.js")).getRollbackPage) },
  { methods: ["POST"], path: "/ui/r/<name>/_rollback/<tag>", action: "push", page: true, body: true, headers: posting, handle: form(async () => (await import("./rollback.js")).postRollback) },
  { methods: ["GET", "HEAD"], path: "/ui/r/<name>/_delete", action: "delete", page: true, headers: visitor, handle: page(async () => (await import("./deletion.js")).getDeletionPage) },
  { methods: ["POST"], path: "/ui/r/<name>/_delete", action: "delete", page: true, body: true, headers: posting, handle: form(async () => (await import("./deletion.js")).postDeletion) },
  { methods: ["GET", "HEAD"], path: "/ui/robots", action: "robots", page: true, headers: visitor, handle: page(async () => (await import("./robots.js")).getRobots) },
  { methods: ["GET", "HEAD"], path: "/ui/robots/new", action: "robots", page: true, headers: visitor, handle: page(async () => (await import("./new-robot.js")).getNewRobot) },
  { methods: ["POST"], path: "/ui/robots", action: "robots", page: true, body: true, headers: posting, handle: form(async () => (await import("./new-robot.js")).postRobot) },
  { methods: ["GET", "HEAD"], path: "/ui/robots/revoke", action: "robots", page: true, headers: visitor, handle: page(async () => (await import("./robots.js")).getRevocation) },
  { methods: ["POST"], path: "/ui/robots/revoke", action: "robots", page: true, body: true, headers: posting, handle: form(async () => (await import("./robots.js")).postRevocation) },
  { methods: ["GET", "HEAD"], path: "/ui/upstreams", action: "catalog", page: true, headers: visitor, handle: page(async () => (await import("./upstreams.js")).getUpstreams) },
  { methods: ["GET", "HEAD"], path: "/ui/activity", action: "metrics", page: true, headers: visitor, handle: page(async () => (await import("./activity.js")).getActivity) },
  // Server-Sent Events
  { methods: ["GET"], path: "/ui/events", action: "catalog", page: true, stream: true, headers: visitor, handle: getEvents },
  { methods: ["GET"], path: "/ui/r/<name>/_events", action: "pull", page: true, stream: true, headers: visitor, handle: getRepositoryEvents },
  { methods: ["GET", "HEAD"], path: assetPaths.style, action: "public", headers: encodings, handle: asset("style") },
  { methods: ["GET", "HEAD"], path: assetPaths.icon, action: "public", headers: encodings, handle: asset("icon") },
  { methods: ["GET", "HEAD"], path: assetPaths.script, action: "public", headers: encodings, handle: asset("script") },
] as const satisfies readonly Route[];
