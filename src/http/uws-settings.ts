/**
 * Settings that uWebSockets.js reads from the environment when it is loaded: to be imported before it.
 * Tokens are long: the header section may have 16 KiB.
 */
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= "16384";
