// @react-native-async-storage/async-storage: the phone's storage, for as long as the process lives.
const entries = new Map();

export default {
  getItem: async (key) => entries.get(key) ?? null,
  setItem: async (key, value) => void entries.set(key, value),
  removeItem: async (key) => void entries.delete(key),
};
