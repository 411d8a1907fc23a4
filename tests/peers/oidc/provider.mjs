// An OpenID provider for tests: oidc-provider with in-memory clients. Its one argument is JSON (see ../oidc.py); it prints
// its issuer when it listens, and ends with its standard input.
import * as nodeCrypto from 'node:crypto';
import http from 'node:http';

// What Node 18 (Debian 12) lacks of what oidc-provider uses.
globalThis.crypto ??= nodeCrypto.webcrypto;
URL.parse ??= (address, base) => (URL.canParse(address, base) ? new URL(address, base) : null);

const { default: Provider } = await import('oidc-provider');

const wanted = JSON.parse(process.argv[2]);
const counts = {};
let generation = 0;
let keys = [];
let serve;

const keyPairs = {
  RS256: () => nodeCrypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => nodeCrypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => nodeCrypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  Ed25519: () => nodeCrypto.generateKeyPairSync('ed25519'),
};

function newKeys() {
  generation += 1;
  return Object.entries(keyPairs).map(([alg, pair]) => (
    { ...pair().privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}` }
  ));
}

function resource(address) {
  const found = wanted.resources[address];
  if (!found) return undefined;
  const { format, scope, ttl, audience, alg } = found;
  return {
    scope,
    audience: audience ?? address,
    accessTokenTTL: ttl,
    accessTokenFormat: format,
    ...(format === 'jwt' ? { jwt: { sign: { alg } } } : {}),
  };
}

function provider() {
  const made = new Provider(issuer, {
    clients: wanted.clients.map((client) => (
      { redirect_uris: [], response_types: [], grant_types: ['client_credentials'], ...client }
    )),
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(keyPairs) },
    scopes: [...new Set(Object.values(wanted.resources).flatMap(({ scope }) => scope.split(' ')))],
    extraTokenClaims: (ctx, token) => wanted.claims[token.clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, address) => {
          const found = resource(address);
          if (!found) throw new Error(`no resource ${address}`);
          return found;
        },
      },
    },
  });
  return made.callback();
}

// What tests do to it: POST /test/rotate?keep=N makes new keys and goes on publishing those of the last N rotations;
// GET /test/counts says how often each path was asked for.
const controls = {
  '/test/rotate': (query) => {
    const kept = Number(query.get('keep') ?? 1) * Object.keys(keyPairs).length;
    keys = [...newKeys(), ...keys.slice(0, kept)];
    serve = provider();
    return keys.map(({ kid }) => kid);
  },
  '/test/counts': () => counts,
};

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const control = controls[pathname];
  if (control) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(control(searchParams)));
    return;
  }
  counts[pathname] = (counts[pathname] ?? 0) + 1;
  serve(request, response);
});

await new Promise((listening) => { server.listen(wanted.port, '127.0.0.1', listening); });
const issuer = `http://127.0.0.1:${server.address().port}`;
keys = newKeys();
serve = provider();
process.stdin.resume().on('end', () => process.exit(0));
console.log(JSON.stringify({ issuer }));
