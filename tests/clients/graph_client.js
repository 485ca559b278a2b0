// Microsoft's Graph client for JavaScript, told nothing but where the gateway is: graph_client.js BASE_URL TOKEN CASE
// Prints what it got as one line of JSON.

const { BatchRequestContent, Client } = require("@microsoft/microsoft-graph-client");

const [baseUrl, token, wanted] = process.argv.slice(2);
const client = Client.initWithMiddleware({
  baseUrl,
  customHosts: new Set([new URL(baseUrl).hostname]),
  authProvider: { getAccessToken: async () => token },
});

const copy = (name) => client.api("/me/drive/root:/hello.txt:/copy").post({ name });

const cases = {
  copy: () => copy("js.txt"),
  failed: () => copy("hello.txt"),
  session: () =>
    client.api("/me/drive/root:/Documents/budget.xlsx:/workbook/createSession").post({ persistChanges: true }),
  team: () =>
    client.api("/teams").post({
      "template@odata.bind": "https://graph.microsoft.com/v1.0/teamsTemplates('standard')",
      displayName: "Crew",
    }),
  batch: async () => {
    const post = (name) =>
      new Request("https://graph.microsoft.com/me/drive/root:/hello.txt:/copy", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name }),
      });
    const content = new BatchRequestContent(["one.txt", "two.txt"].map((id) => ({ id, request: post(id) })));
    return client.api("/$batch").post(await content.getContent());
  },
};

cases[wanted]()
  .then((got) => ({ got }))
  .catch((error) => ({ status: error.statusCode, code: error.code, message: error.message }))
  .then((told) => console.log(JSON.stringify(told)));
