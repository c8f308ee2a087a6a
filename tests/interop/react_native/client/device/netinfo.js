// @react-native-community/netinfo: the state of the phone's network, which the test sets.
const listeners = new Set();
let state = { type: "wifi", isConnected: true, isInternetReachable: true, details: null };

/** What the operating system would tell of a change. */
export function change(news) {
  state = { ...state, ...news };
  for (const listener of [...listeners]) listener(state);
}

export default {
  fetch: async () => state,
  addEventListener(listener) {
    listeners.add(listener);
    queueMicrotask(() => listener(state));
    return () => listeners.delete(listener);
  },
};
