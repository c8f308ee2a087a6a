// What every page but the phone's does with the key: takes the one this tab has, asks for another when there is none.
import { Api, ApiError } from "./api.js";
import * as credentials from "./credentials.js";
import { byId, setText } from "./element.js";

/** Calls `onApi(api)` each time that a key is accepted; until then the page shows the form for it. */
export function withKey(onApi) {
  const { credentials: known } = credentials.load();

  async function use(key) {
    const api = new Api(key, { onRefused: refused });
    try {
      const { data } = await api.get("/v2/gateway/info");
      setText(byId("version"), data.version);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A key may do without the scope that this wants; what it cannot do, each list says for itself.
      if (error.status !== 403) {
        if (error.status !== 401) ask(error.message);
        return;
      }
    }
    known.key = key;
    credentials.save(known);
    byId("key-form").hidden = true;
    byId("content").hidden = false;
    onApi(api);
  }

  function refused() {
    delete known.key;
    credentials.save(known);
    ask("That API key is not, or no longer, a valid one.");
  }

  function ask(problem) {
    document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
    byId("content").hidden = true;
    byId("key-form").hidden = false;
    setText(byId("key-error"), problem);
    byId("key").focus();
  }

  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    byId("key").value = "";
    setText(byId("key-error"), "");
    if (key) use(key);
    else ask("Paste a key first.");
  });
  if (known.key) use(known.key);
  else ask("");
}
