// A small OpenID issuer for the browser tests: discovery, a page on which one says who one is, codes with
// PKCE, and id tokens signed by RS256. It knows what a test needs, and no more.

import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";

export const CLIENT = "faultline";

/** Who has an account there, and the groups that it is in. */
const PEOPLE = { ann: ["ops"], vic: ["staff"], eve: ["sales"] };

const base64url = (value) => Buffer.from(value).toString("base64url");

/** Starts it at a port of the loopback interface; `close()` of what it gives ends it. */
export async function issue(port) {
  const name = `http://127.0.0.1:${port}`;
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" };
  const codes = new Map();

  const jwt = (claims) => {
    const text = `${base64url(JSON.stringify({ alg: "RS256", kid: "one" }))}.${base64url(JSON.stringify(claims))}`;
    return `${text}.${base64url(sign("RSA-SHA256", Buffer.from(text), privateKey))}`;
  };
  const pages = {
    "/.well-known/openid-configuration": () => ({
      issuer: name, authorization_endpoint: `${name}/authorize`, token_endpoint: `${name}/token`, jwks_uri: `${name}/keys`,
      response_types_supported: ["code"], subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"], code_challenge_methods_supported: ["S256"],
    }),
    "/keys": () => ({ keys: [key] }),
  };
  const choose = (query) => {
    const links = Object.keys(PEOPLE).map((person) => `<li><a href="/consent?person=${person}&amp;${query.toString().replaceAll("&", "&amp;")}">${person}</a></li>`);
    return `<!doctype html><html lang="en"><title>The issuer</title><h1>Who are you?</h1><ul>${links.join("")}</ul></html>`;
  };
  const consent = (query) => {
    const code = randomUUID();
    codes.set(code, { person: query.get("person"), challenge: query.get("code_challenge"), nonce: query.get("nonce"), back: query.get("redirect_uri") });
    const back = new URL(query.get("redirect_uri"));
    back.search = new URLSearchParams({ code, state: query.get("state") });
    return back.href;
  };
  const token = (form) => {
    const asked = codes.get(form.get("code"));
    codes.delete(form.get("code"));
    const proved = base64url(createHash("sha256").update(form.get("code_verifier") ?? "").digest());
    if (!asked || asked.challenge !== proved || asked.back !== form.get("redirect_uri")) return null;
    const now = Math.floor(Date.now() / 1000);
    return {
      token_type: "Bearer", access_token: randomUUID(), expires_in: 300,
      id_token: jwt({
        iss: name, aud: CLIENT, sub: asked.person, preferred_username: asked.person, groups: PEOPLE[asked.person],
        nonce: asked.nonce, iat: now, exp: now + 300,
      }),
    };
  };

  const server = createServer(async (request, answer) => {
    const url = new URL(request.url, name);
    const json = (status, value) => answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (pages[url.pathname]) return json(200, pages[url.pathname]());
    if (url.pathname === "/favicon.ico") return answer.writeHead(204).end();
    if (url.pathname === "/authorize") return answer.setHeader("content-type", "text/html").end(choose(url.searchParams));
    if (url.pathname === "/consent") return answer.writeHead(302, { location: consent(url.searchParams) }).end();
    if (url.pathname !== "/token") return json(404, {});
    let body = "";
    for await (const chunk of request) body += chunk;
    const given = token(new URLSearchParams(body));
    return given ? json(200, given) : json(400, { error: "invalid_grant" });
  });
  await new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  return server;
}
