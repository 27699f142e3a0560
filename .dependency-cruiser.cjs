// The layers of the architecture: each imports only from those below it.
const layers = ["lib", "domain", "threads", "storage", "cache", "uploads", "gc", "auth", "transfer", "registry", "commands", "control", "http", "notifications", "tls", "observe", "cli"];
const above = (layer) => layers.slice(layers.indexOf(layer) + 1).join("|");

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    ...layers.slice(0, -1).map((layer) => ({
      name: `${layer}-knows-nothing-above-it`,
      severity: "error",
      from: { path: `^src/${layer}/` },
      to: { path: `^src/(${above(layer)})/|^src/[^/]+[.]ts$` },
    })),
    {
      name: "only-http-knows-uwebsockets",
      severity: "error",
      from: { path: "^(src|workers)/", pathNot: "^src/http/" },
      to: { path: "uWebSockets|uwebsockets" },
    },
    {
      name: "only-drivers-and-workers-touch-files",
      severity: "error",
      from: { path: "^src/(lib|domain|cache|uploads|gc|auth|registry|commands|http)/" },
      to: { path: "^(node:)?fs(/promises)?$" },
    },
    {
      name: "drivers-are-wired-in-the-composition-root",
      severity: "error",
      from: { path: "^src/(lib|domain|cache|uploads|gc|auth|registry|commands|http)/" },
      to: { path: "^src/storage/filesystem/" },
    },
    {
      name: "workers-share-domain-and-what-is-asked-of-them-only",
      severity: "error",
      from: { path: "^workers/" },
      to: { path: "^src/", pathNot: "^src/(lib/|domain/|(uploads/worker|auth/bcrypt|tls/thread|threads/manifest|storage/filesystem/survey)-protocol[.]ts$|threads/packed-manifest[.]ts$|storage/(storage|file-steps|filesystem/layout)[.]ts$)" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
