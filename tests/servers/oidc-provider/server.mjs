// `oidc-provider` as an authorization server: client credentials with `resource` (RFC 8707), JWT access
// tokens under RS256, keys that rotate on demand; and sign-ins for a web application, on its own pages.
//
// Usage: server.mjs PORT. Client `machine`, its secret in CLIENT_SECRET. With WEB_ORIGIN there is a client `web` as well,
// with the same secret, whose application is there; anybody may sign in, by any password.
// Prints `ready` when it listens. POST /control/rotate: a new key signs, the old one stays published.
// POST /control/withdraw: the old ones are gone from the JWKS.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const load = createRequire(join(process.env.BEARWARD_TEST_NODE_MODULES, 'resolve-from-here.js'));
const { Provider } = load('oidc-provider');

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const web = process.env.WEB_ORIGIN;

// Newest first: the provider signs with the first that fits.
let keys = [newKey()];
let answer = provider();

createServer((request, response) => {
  const control = { '/control/rotate': () => [newKey(), ...keys], '/control/withdraw': () => keys.slice(0, 1) };
  const change = request.method === 'POST' && control[request.url];
  if (change) {
    keys = change();
    answer = provider();
    response.writeHead(204).end();
  } else {
    answer(request, response);
  }
}).listen(port, '127.0.0.1', () => console.log('ready'));

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' };
}

function webClient() {
  return {
    client_id: 'web',
    client_secret: process.env.CLIENT_SECRET,
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [`${web}/auth/callback`],
    post_logout_redirect_uris: [`${web}/`],
  };
}

// Keys are fixed when a provider is made, so a rotation makes a new one with the same issuer.
function provider() {
  const made = new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: 'machine',
        client_secret: process.env.CLIENT_SECRET,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
      ...(web ? [webClient()] : []),
    ],
    cookies: { keys: [randomUUID()] },
    scopes: ['openid', 'offline_access', 'mcp', 'notes:read'],
    features: {
      devInteractions: { enabled: Boolean(web) },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'mcp notes:read',
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  made.on('server_error', (_context, error) => console.error(error));
  return made.callback();
}
