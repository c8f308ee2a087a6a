// The gateway's REST API: requests with the key, errors as words, and the stream of changes.

/** A refused or failed request; `status` is 0 when no answer came, `errors` is all that the API finds wrong. */
export class ApiError extends Error {
  constructor(message, status, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

const RETRY_MS = [500, 1000, 2000, 5000];
// The stream says something at least every 15 s; three times that is a dead one.
const SILENCE_MS = 45_000;

export class Api {
  #onRefused;

  /** `onRefused` is told when the key is not, or no longer, a valid one. */
  constructor(key, { onRefused = () => {} } = {}) {
    this.key = key;
    this.#onRefused = onRefused;
  }

  async request(path, { method = "GET", body, signal } = {}) {
    const headers = { Authorization: `Bearer ${this.key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The gateway does not answer. Is it running?", 0);
    }
    if (response.ok) return response;
    if (response.status === 401) this.#onRefused();
    const { errors } = (await response.json().catch(() => null)) ?? {};
    // One answer of the service, to a change of an expired credential, has an object instead of the list.
    const found = Array.isArray(errors) ? errors : [];
    const message = found.length > 0 ? `${found[0].title}: ${found[0].detail}` : (errors?.status ?? `HTTP ${response.status}`);
    throw new ApiError(message, response.status, found);
  }

  async get(path) {
    return (await this.request(path)).json();
  }

  async send(method, path, body) {
    return (await this.request(path, { method, body })).json();
  }

  async post(path, body) {
    return this.send("POST", path, body);
  }

  /**
   * Follows the stream until the returned function is called: `onEvent(name, data)`, and `onState(text)` with
   * `live`, `lost` or, when the key is refused and there is no sense in another try, `refused`.
   */
  follow(onEvent, onState) {
    const stop = new AbortController();
    this.#follow(onEvent, onState, stop.signal).catch((error) => {
      if (!stop.signal.aborted) throw error;
    });
    return () => stop.abort();
  }

  async #follow(onEvent, onState, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#read(
          (name, data) => {
            failures = 0;
            onState("live");
            onEvent(name, data);
          },
          signal,
        );
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) {
          onState("refused");
          return;
        }
      }
      onState("lost");
      await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)], signal);
    }
  }

  async #read(onEvent, signal) {
    const quiet = new AbortController();
    const response = await this.request("/v2/gateway/events", { signal: AbortSignal.any([signal, quiet.signal]) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let timer = setTimeout(() => quiet.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), SILENCE_MS);
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) emit(block, onEvent);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** One block of `text/event-stream`: fields a line; a comment has no name. */
function emit(block, onEvent) {
  const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (fields.event) onEvent(fields.event, JSON.parse(fields.data));
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
