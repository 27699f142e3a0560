/** The allowed signature algorithms of tokens. In a separate file, because the settings list them too. */

/**
 * Only algorithms with a public key: with a shared secret, a registry could sign the tokens that it verifies, and `none`
 * proves nothing.
 */
export const algorithms = [
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
] as const;
