// Puts the page together: credentials, the phone, and what the API shows.
import { Activity } from "./activity.js";
import { Api, ApiError } from "./api.js";
import { Bans } from "./bans.js";
import * as credentials from "./credentials.js";
import { byId, setText } from "./element.js";
import { clearNotices, notice } from "./notices.js";
import { showNumbers } from "./numbers.js";
import { Phone } from "./phone.js";
import { PhoneView } from "./phone_view.js";
import { connectSettings } from "./settings.js";
import { Trunks } from "./trunks.js";

const announce = (text) => setText(byId("announce"), text);
const phone = new Phone();
const view = new PhoneView(phone, announce);
const activity = new Activity({
  onCall: (call) => view.gatewayCall(call),
  onProblem: notice,
  onRefused: () => {
    bans.close();
    trunks.close();
    notice({ title: "The API key was not accepted", advice: "Enter another one above the calls." });
  },
});
const bans = new Bans({ onProblem: notice });
const trunks = new Trunks();
const { credentials: known, destination } = credentials.load();

phone.addEventListener("status", ({ detail }) => showStatus(detail));
phone.addEventListener("problem", ({ detail }) => notice(detail));
connectSettings(() => phone.useDevices());
byId("login").addEventListener("submit", onLogin);
byId("key-form").addEventListener("submit", onKey);
byId("sign-out").addEventListener("click", signOut);
byId("copy-options").addEventListener("click", copyOptions);
document.querySelector(".pages").addEventListener("click", besideACall);
document.querySelectorAll("input[name=how]").forEach((choice) => choice.addEventListener("change", showLoginKind));

start();

function start() {
  byId("destination").value = destination;
  showLoginKind();
  byId("login-user").value = known.login ?? "";
  if (known.key) useKey(known.key);
  if (credentials.mayLogIn(known)) signIn();
  else byId("login-user").focus();
}

function signIn() {
  clearNotices();
  byId("login").hidden = true;
  byId("phone").hidden = false;
  byId("sign-out").hidden = false;
  byId("copy-options").hidden = false;
  phone.connect(known);
  view.render();
  byId("destination").focus();
}

/** Leaving the page would end its calls: while there is one, another page opens beside it, with the same key. */
function besideACall({ target }) {
  const link = target.closest("a");
  if (!link) return;
  const hasCall = phone.lines.size > 0;
  link.target = hasCall ? "_blank" : "";
  link.rel = hasCall ? "opener" : "";
}

function signOut() {
  delete known.password;
  delete known.token;
  credentials.save(known);
  phone.disconnect();
  showLogin();
}

function showLogin() {
  byId("login").hidden = false;
  byId("phone").hidden = true;
  byId("sign-out").hidden = true;
  byId("copy-options").hidden = true;
}

function showStatus({ kind, text }) {
  byId("status").dataset.kind = kind;
  setText(byId("status-text"), text);
  view.render();
  if (kind === "refused") showLogin();
}

function showLoginKind() {
  const isToken = document.querySelector("input[name=how]:checked").value === "token";
  byId("by-password").hidden = isToken;
  byId("by-token").hidden = !isToken;
}

function onLogin(event) {
  event.preventDefault();
  const isToken = document.querySelector("input[name=how]:checked").value === "token";
  const given = isToken
    ? { token: byId("login-token").value.trim() }
    : { login: byId("login-user").value.trim(), password: byId("login-password").value };
  if (!credentials.mayLogIn(given)) {
    notice({ title: "Something is missing", advice: isToken ? "Paste a token." : "Enter a user name and a password." });
    byId(isToken ? "login-token" : given.login ? "login-password" : "login-user").focus();
    return;
  }
  delete known.login;
  delete known.password;
  delete known.token;
  Object.assign(known, given);
  credentials.save(known);
  byId("login-password").value = "";
  byId("login-token").value = "";
  signIn();
}

function onKey(event) {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!key) return;
  byId("key").value = "";
  useKey(key);
}

async function useKey(key) {
  known.key = key;
  credentials.save(known);
  const api = new Api(key);
  activity.start(api);
  bans.start(api);
  try {
    const { data } = await api.get("/v2/gateway/info");
    setText(byId("version"), data.version);
    trunks.start(api, data.trunk_states);
    if (data.lab.enabled) showNumbers((await api.get("/_lab/numbers")).data, dialNumber);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.status === 403) forgetKey(error);
    else notice({ title: "The gateway's details could not be loaded", advice: error.message });
  }
}

function forgetKey(error) {
  if (error.status === 401) {
    delete known.key;
    credentials.save(known);
  } else {
    notice({ title: "This API key may not do everything", advice: error.message });
  }
}

function dialNumber(number) {
  if (phone.isReady) view.dial(number);
  else notice({ title: "Sign in first", advice: "The phone needs a user before it can call." });
}

async function copyOptions() {
  const secret = known.token ? { login_token: known.token } : { login: known.login, password: known.password };
  const options = JSON.stringify({ host: phone.host, ...secret, iceServers: [] }, null, 2);
  try {
    await navigator.clipboard.writeText(`const client = new TelnyxRTC(${options});\n`);
    announce("Copied");
    byId("copy-options").textContent = "Copied";
    setTimeout(() => (byId("copy-options").textContent = "Copy SDK options"), 1500);
  } catch {
    notice({ title: "The browser does not allow copying here", advice: "It does on https and on localhost." });
  }
}
