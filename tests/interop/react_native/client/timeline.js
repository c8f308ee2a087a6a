// What happened to the phone, in order; Python waits on it.
import { performance } from "node:perf_hooks";

const entries = [];
const waiters = new Set();

export function note(name, detail = {}) {
  const entry = { index: entries.length, at: performance.now(), name, ...detail };
  entries.push(entry);
  for (const waiter of [...waiters]) waiter(entry);
}

export const timeline = () => entries;

/** Resolves with the first entry of that name at or after `from`; rejects after `timeout` s. */
export function until(name, from, timeout) {
  const past = entries.slice(from).find((entry) => entry.name === name);
  if (past) return past;
  return new Promise((resolve, reject) => {
    const waiter = (entry) => entry.name === name && finish(resolve, entry);
    const finish = (settle, value) => {
      waiters.delete(waiter);
      clearTimeout(timer);
      settle(value);
    };
    const names = () => entries.slice(from).map((entry) => entry.name).join(", ") || "nothing";
    const timer = setTimeout(() => finish(reject, new Error(`no ${name} within ${timeout} s; since then: ${names()}`)), timeout * 1000);
    waiters.add(waiter);
  });
}
