// Node's fetch, and axios, as docs/clients.md shows them, driven by ../programs.py.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.NODE_PATH}/`);

// [shown: fetch]
async function copyWithFetch(url, token, name, milliseconds) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name }),
    signal: AbortSignal.timeout(milliseconds), // of the whole chain
  });
  return [answer.status, await answer.json()];
}
// [/shown]

// [shown: axios]
const axios = require("axios");

async function copyWithAxios(url, token, name, milliseconds) {
  const answer = await axios.post(url, { name }, {
    headers: { Authorization: `Bearer ${token}` },
    timeout: milliseconds, // of the whole chain
    validateStatus: () => true, // without it, an error of Graph's is thrown: error.response has it
  });
  return [answer.status, answer.data];
}
// [/shown]

const copies = { fetch: copyWithFetch, axios: copyWithAxios };

for await (const line of createInterface({ input: process.stdin })) {
  const [client, case_, url, token, name, seconds] = line.split("\t");
  const told = await copies[client](url, token, name, Math.round(1000 * seconds)).then(
    ([status, body]) => ({ status, body }),
    (error) => ({ error: `${error.name} ${error.code}` }),
  );
  console.log(JSON.stringify({ client, case: case_, ...told }));
}
