// Every frame between the SDK and the gateway, for whoever listens.
const listeners = new Set();
const tell = (direction, text) => listeners.forEach((listener) => listener(direction, JSON.parse(text)));

export const frames = {
  sent: (text) => tell("sent", text),
  received: (text) => tell("received", text),
  listen: (listener) => listeners.add(listener),
};
