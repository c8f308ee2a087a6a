// What a Node backend does, an item of the checklist a run: `node probe.mjs ITEM BASE_URL KEY CONNECTION_ID`.
// Prints one line of JSON.
import Telnyx from "telnyx";

const [item, baseURL, apiKey, connectionId] = process.argv.slice(2);

const items = {
  // A refusal with 422 is asked for once, with the retries that the SDK has by default.
  async refusedOnce() {
    let requests = 0;
    const counting = (...request) => {
      requests += 1;
      return fetch(...request);
    };
    const client = new Telnyx({ apiKey, baseURL, fetch: counting });
    let status = null;
    try {
      await client.telephonyCredentials.create({ connection_id: "1234567890123456789" });
    } catch (error) {
      status = error.status;
    }
    return { status, requests };
  },

  async listEnds() {
    const client = new Telnyx({ apiKey, baseURL, maxRetries: 0 });
    const ids = [];
    for await (const credential of client.telephonyCredentials.list()) ids.push(credential.id);
    return { ids };
  },

  async token() {
    const client = new Telnyx({ apiKey, baseURL, maxRetries: 0 });
    const { data } = await client.telephonyCredentials.create({ connection_id: connectionId });
    const token = await client.telephonyCredentials.createToken(data.id);
    return { type: typeof token, parts: String(token).split(".").length, token };
  },
};

console.log(JSON.stringify(await items[item]()));
