// An OpenID provider with its own pages to sign in: https://github.com/panva/node-oidc-provider.
// It takes any password. `node provider.mjs` prints its issuer as soon as it serves, and ends with its standard input.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const ALGORITHMS = { RS256: ["rsa", { modulusLength: 2048 }], ES256: ["ec", { namedCurve: "P-256" }], Ed25519: ["ed25519", {}] };

const keys = Object.entries(ALGORITHMS).map(([alg, [kind, options]]) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
  alg,
  kid: `key-${alg}`,
  use: "sig",
}));

const clients = Object.keys(ALGORITHMS).map((alg) => ({
  client_id: `library-${alg}`,
  application_type: "native",
  grant_types: ["authorization_code"],
  id_token_signed_response_alg: alg,
  redirect_uris: ["http://127.0.0.1/signed-in"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
}));

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    claims: { openid: ["sub"], email: ["email", "email_verified"], library: ["card"] },
    clients,
    conformIdTokenClaims: false,
    cookies: { keys: ["only for tests"] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(ALGORITHMS) },
    // The name that is typed is the address; `unverified` in it makes it one that was not verified.
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: !id.includes("unverified"), card: id.split("@")[0] }),
    }),
    jwks: { keys },
    scopes: ["openid", "email", "library"],
  });
  server.on("request", provider.callback());
  console.log(`issuer ${issuer}`);
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
