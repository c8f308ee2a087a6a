// Who we are: from the address once (`#key=...&login=...&password=...` or `#key=...&token=...`), then from this tab.

const STORED = "rtc-gateway.credentials";
const NAMES = ["key", "login", "password", "token"];

/** Takes credentials out of the address bar, so that they get into neither history nor a bookmark; then what is kept. */
export function load() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = Object.fromEntries(NAMES.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
  const destination = given.get("dial") ?? "";
  if (Object.keys(found).length > 0 || destination) history.replaceState(null, "", location.pathname + location.search);
  const credentials = Object.keys(found).length > 0 ? found : stored();
  save(credentials);
  return { credentials, destination };
}

export function save(credentials) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(credentials));
  } catch {
    // storage may be forbidden; then a reload asks again
  }
}

export function mayLogIn({ login, password, token }) {
  return Boolean(token || (login && password));
}

function stored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED));
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    return {};
  }
}
