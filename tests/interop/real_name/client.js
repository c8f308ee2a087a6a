// A Node client that knows nothing but the name: node client.js HOST
const https = require("node:https");
const { randomBytes } = require("node:crypto");

const host = process.argv[2];

/** The WebSocket handshake, as an SDK's `wss://HOST/` begins. */
function upgrade() {
  return new Promise((resolve, reject) => {
    const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": randomBytes(16).toString("base64") };
    const request = https.request({ host, path: "/", headers });
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    request.on("response", (response) => reject(new Error(`HTTP ${response.statusCode}`)));
    request.on("error", reject);
    request.end();
  });
}

async function main() {
  const preflight = await fetch(`https://${host}/call_report`, { method: "OPTIONS" });
  return { preflight: preflight.status, upgrade: await upgrade() };
}

main().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => console.log(JSON.stringify({ refused: error.cause?.code ?? error.code ?? String(error) })),
);
