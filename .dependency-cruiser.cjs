// The layers of the architecture: each imports only from those below it.
const layers = [
  "lib",
  "domain",
  "storage",
  "cluster",
  "cache",
  "uploads",
  "gc",
  "auth",
  "transfer",
  "registry",
  "upstream",
  "browse",
  "config",
  "commands",
  "control",
  "http",
  "notifications",
  "tls",
  "observe",
  "server",
  "cli",
];
const above = (layer) => layers.slice(layers.indexOf(layer) + 1).join("|");

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    ...layers.slice(0, -1).map((layer) => ({
      name: `${layer}-imports-nothing-above-it`,
      severity: "error",
      from: { path: `^src/${layer}/` },
      to: { path: `^src/(${above(layer)})/` },
    })),
    {
      name: "only-the-entry-is-in-the-root",
      severity: "error",
      from: { path: "^src/[^/]+[.]c?ts$", pathNot: "^src/gantry[.]cts$" },
      to: {},
    },
    {
      name: "start-loads-nothing-but-the-bundle",
      severity: "error",
      from: { path: "^src/start/" },
      to: { path: "^(src|workers)/", pathNot: "^src/(start/|cli/main[.]ts$)" },
    },
    {
      name: "lib-depends-on-nothing-of-the-project",
      severity: "error",
      from: { path: "^src/lib/" },
      to: { path: "^(src|workers)/", pathNot: "^src/lib/" },
    },
    {
      name: "only-http-knows-uwebsockets",
      severity: "error",
      from: { path: "^(src|workers)/", pathNot: "^src/http/" },
      to: { path: "uWebSockets|uwebsockets" },
    },
    {
      name: "only-drivers-and-workers-touch-files",
      severity: "error",
      from: { path: "^src/(lib|domain|cluster|cache|uploads|gc|auth|registry|upstream|browse|commands|http)/" },
      to: { path: "^(node:)?fs(/promises)?$" },
    },
    ...["filesystem", "memory", "s3"].map((driver) => ({
      name: `storage-${driver}-is-wired-in-the-composition-root`,
      severity: "error",
      from: { path: "^src/", pathNot: `^src/(storage/${driver}|server|cli)/` },
      to: { path: `^src/storage/${driver}/` },
    })),
    {
      name: "engines-are-wired-in-the-composition-root",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(cluster|server)/" },
      to: { path: "^src/cluster/(memory|valkey|socket)/" },
    },
    {
      name: "workers-share-lib-domain-and-their-protocols-only",
      severity: "error",
      from: { path: "^workers/" },
      to: {
        path: "^src/",
        pathNot:
          "^src/(lib/|domain/|(uploads/worker|auth/bcrypt|tls/thread|registry/manifest-reader/manifest|browse/content/content|storage/filesystem/(survey|worker))-protocol[.]ts$|registry/manifest-reader/packed-manifest[.]ts$|storage/(storage|errors|scratch-file|entry-name|file-steps|filesystem/(layout|file-steps|journal/record|journal/shared)|s3/(client|requests|signed-requests|xml|failure|keys|contents|copy|upload-state|worker-protocol))[.]ts$)",
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
