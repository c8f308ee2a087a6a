// What the SDK and its WebSocket package use of React Native: the platform, and the native half of the WebSocket.
import { EventEmitter } from "node:events";
import { WebSocket } from "ws";
import { frames } from "./frames.js";

export const Platform = {
  OS: "android",
  select: (choices) => choices.android ?? choices.default,
};

const events = new EventEmitter();
const sockets = new Map();

export class NativeEventEmitter {
  addListener(name, listener) {
    events.on(name, listener);
    return { remove: () => events.off(name, listener) };
  }
}

/** As on Android: one socket a URL; a refused connection and a lost one are both an error, a closing handshake a close. */
const WebSocketWithSelfSignedCert = {
  connect(url, headers) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { headers });
      sockets.set(url, socket);
      frames.dialled(url);
      socket.on("open", () => {
        resolve(`Connected to ${url}`);
        events.emit("onOpen", { url });
      });
      socket.on("message", (data, isBinary) => {
        if (isBinary) return;
        const message = data.toString("utf8");
        frames.received(message);
        events.emit("onMessage", { url, message });
      });
      socket.on("error", (error) => {
        reject(error);
        events.emit("onError", { url, error: String(error.message) });
      });
      socket.on("close", () => {
        if (sockets.get(url) === socket) sockets.delete(url);
        events.emit("onClose", { url });
      });
    });
  },
  send(url, message) {
    frames.sent(message);
    sockets.get(url)?.send(message);
  },
  close(url) {
    sockets.get(url)?.close(1000);
    sockets.delete(url);
  },
};

export const NativeModules = { WebSocketWithSelfSignedCert };
