// Every socket and every frame between the SDK and the gateway, for whoever listens.
const listeners = new Set();
const tell = (what, detail) => listeners.forEach((listener) => listener(what, detail));
const frame = (direction, text) => {
  const message = JSON.parse(text);
  tell(`${direction}.${message.method ?? "answer"}`, { message });
};

export const frames = {
  dialled: (url) => tell("socket.dialled", { url }),
  sent: (text) => frame("sent", text),
  received: (text) => frame("received", text),
  listen: (listener) => listeners.add(listener),
};
