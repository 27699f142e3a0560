/**
 * Sets variables that uWebSockets.js reads from the environment when it is loaded. Import this module first.
 * A list of 1,000 ranges, as podman sends it for a partial pull, has 20 KB.
 */
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= "65536";
