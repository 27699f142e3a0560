/** What tokens may be signed by. Apart from what verifies them, since the settings name them too. */

/** Only those with a public key: of a shared secret a registry could sign what it verifies, and `none` proves nothing. */
export const algorithms = [
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
] as const;
