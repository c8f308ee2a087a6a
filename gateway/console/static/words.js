// Codes into words: why a call ended, what went wrong and what to do about it, times and durations.

const CAUSES = {
  UNALLOCATED_NUMBER: "Nobody has that number.",
  NO_ROUTE_DESTINATION: "No trunk and no client takes that destination.",
  NORMAL_CLEARING: "Somebody hung up.",
  USER_BUSY: "The other side is busy.",
  NO_USER_RESPONSE: "The other side does not react.",
  NO_ANSWER: "Nobody answered in time.",
  SUBSCRIBER_ABSENT: "The other side is not logged in.",
  CALL_REJECTED: "The other side declined.",
  NUMBER_CHANGED: "The number has changed.",
  DESTINATION_OUT_OF_ORDER: "The other side is out of order.",
  INVALID_NUMBER_FORMAT: "That is not a complete number.",
  NORMAL_CIRCUIT_CONGESTION: "All lines are taken.",
  NETWORK_OUT_OF_ORDER: "The network behind the trunk is down.",
  NORMAL_TEMPORARY_FAILURE: "A temporary failure: the trunk did not answer or refused. Try again.",
  SWITCH_CONGESTION: "The gateway has too many calls to set up. Try again in a moment.",
  OUTGOING_CALL_BARRED: "Calls to there are not allowed.",
  BEARERCAPABILITY_NOTAUTH: "This user may not make that call.",
  SERVICE_NOT_IMPLEMENTED: "The other side does not support this.",
  INCOMPATIBLE_DESTINATION: "The two sides have no codec in common.",
  RECOVERY_ON_TIMER_EXPIRE: "The other side did not answer the signalling in time.",
  ORIGINATOR_CANCEL: "The caller hung up before it was answered.",
  LOSE_RACE: "Answered somewhere else.",
  MEDIA_TIMEOUT: "No sound arrived any more.",
  SYSTEM_SHUTDOWN: "The gateway was stopped.",
};

/** A sentence for a cause, or nothing. */
export function causeInWords(cause) {
  return CAUSES[cause] ?? "";
}

/** The names of all causes, by the alphabet. */
export function causeNames() {
  return Object.keys(CAUSES).sort();
}

// What the SDK's errors mean here, and what helps. The SDK's own words are kept for the rest.
const ERRORS = {
  42001: ["The microphone is not allowed", "Allow it in the address bar, then call again."],
  42002: ["No microphone found", "Plug one in or choose another one in the settings."],
  42003: ["The microphone could not be opened", "Another program may hold it. Close that, or choose another microphone in the settings."],
  44001: ["Hold did not work", "The gateway refused it or did not answer. Try again."],
  44002: ["That cannot be called", "Enter a number, a user name or a SIP address."],
  45001: ["No connection to the gateway", "Is it running? Look at its log, then sign in again."],
  45002: ["The connection to the gateway failed", "Is it running? With https, this browser must trust its certificate. It is tried again by itself."],
  45003: ["The gateway is not reachable", "All attempts failed. Look whether it runs, then sign in again."],
  46001: ["Sign-in refused", "User name, password or token is wrong or expired. Check it against what the gateway printed."],
  46002: ["Sign-in incomplete", "Enter a user name and a password, or a token."],
  46003: ["Signed out by the gateway", "Sign in again."],
  47001: ["The media path could not be renewed", "The network changed and the call may be silent. Hang up and call again."],
  48001: ["This computer is offline", "Check its network. The connection comes back by itself."],
  48501: ["The call is gone", "The gateway no longer knows it, probably because it was restarted. Call again."],
};

/** Title and advice for an error of the SDK. */
export function errorInWords(error) {
  const known = ERRORS[error?.code];
  if (known) return { title: known[0], advice: known[1] };
  const advice = [error?.description, error?.solutions?.[0]].filter(Boolean).join(" ");
  return { title: error?.message || "Something went wrong", advice };
}

const STATES = {
  new: "starting",
  requesting: "calling",
  trying: "calling",
  recovering: "reconnecting",
  ringing: "ringing",
  answering: "answering",
  early: "early media",
  active: "in call",
  held: "on hold",
  hangup: "ended",
  destroy: "ended",
  purge: "ended",
  routing: "routing",
  preparing: "preparing",
  dialing: "dialing",
  connecting: "connecting",
  ended: "ended",
};

export function stateInWords(state) {
  return STATES[state] ?? state;
}

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with the date when it is not today. */
export function clock(text) {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? CLOCK.format(at) : `${DAY.format(at)}, ${CLOCK.format(at)}`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

/** Milliseconds of a time of the API, which is UTC whether it says so or not. */
export function instant(text) {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}

/** Day, year and minute, in the reader's own time. */
export function moment(milliseconds) {
  return MOMENT.format(new Date(milliseconds));
}

const SPANS = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/** How long from now: `23 hours`, `1 minute`. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [size, name] = SPANS.find(([length]) => seconds >= length) ?? [1, "second"];
  const count = Math.round(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
