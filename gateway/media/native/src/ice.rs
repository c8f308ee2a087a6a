//! ICE-lite for all calls of one shared UDP socket (RFC 8445), with consent as a lite agent sees it (RFC 7675).
//!
//! A lite agent has one host candidate, answers checks, and sends none. A check is for the session whose ufrag stands
//! first in its USERNAME, and counts only with that session's signature. Whatever address it came from, be it
//! peer-reflexive or not, is from then on a path of the session; which path is used, the far end says
//! (USE-CANDIDATE).
//!
//! Strangers get no answer and leave no trace: without a ufrag of ours nothing is computed, without its signature
//! nothing is stored. A session has at most [`MAX_GENERATIONS`] pairs of credentials and [`MAX_PATHS`] paths.
//!
//! ```text
//! add(ufrag)          check, signed             check with USE-CANDIDATE       silence for consent_timeout
//!   known ───────────▶ known, with a path ─────▶ path in use ────────────────▶ consent lost ──(check)──▶ again
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::stun::{BINDING, Class, Key, Message, Role, StunError, Writer};

#[cfg(test)]
mod tests;

/// Pairs of credentials that a session has at once: the one in use, and that of an ICE restart under way.
pub const MAX_GENERATIONS: usize = 2;

/// Paths that a session has at once. A further one takes the place of the one that has been silent longest.
pub const MAX_PATHS: usize = 16;

/// Checks that are remembered of each session, so that a copy sent from elsewhere makes no path.
const MAX_REMEMBERED: usize = 64;

/// Seconds that a nomination holds against one of lower priority, while it is repeated.
///
/// Why: an agent that nominates aggressively (RFC 5245 section 8.1.1.2, as Firefox does) marks every check, and the
/// pair of the highest priority is meant; one that changes its mind (Chromium, when a network goes away) marks only
/// the checks of the new pair.
pub const HOLD: f64 = 2.5;

/// Seconds without a check after which a path of one session may become that of another.
pub const TAKE_OVER: f64 = 15.0;

/// Why a datagram was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a STUN message, or malformed.
    Malformed(StunError),
    /// Not a binding request: we ask nobody, so responses are not for us; indications keep NATs open.
    NotACheck,
    /// No USERNAME, or none of our ufrags in it.
    UnknownUfrag,
    /// MESSAGE-INTEGRITY is missing or wrong.
    NotAuthentic,
    /// A copy of a check that came from another address.
    Replayed,
    /// The path is in use by another session.
    PathTaken,
}

/// What has become of a datagram. A reply is in the buffer unless it was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is to be sent.
    Dropped(Reason),
    /// A check was good; send the reply back to where it came from.
    Answered {
        /// Of which session.
        session: u64,
        /// The source was not one of its paths before.
        is_new_path: bool,
        /// A nomination took effect: the session's packets go to this source now (see [`Table::path_of`]), and did
        /// not before, or it is the first nomination with the credentials of an ICE restart.
        nominated: bool,
    },
    /// An authentic check was refused with this code (400, 420, 487); send the reply. It proves nothing.
    Refused {
        /// Of which session.
        session: u64,
        /// The error code.
        code: u16,
    },
}

/// Where a session's packets go: out of which of our sockets, to which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// As it was given to [`Table::receive`].
    pub socket: usize,
    /// The far end's address.
    pub remote: SocketAddr,
}

/// One pair of credentials of ours.
struct Credentials {
    session: u64,
    key: Key,
    /// Counts up with each ICE restart of the session.
    generation: u64,
}

/// A validated path of a session.
#[derive(Clone, Copy)]
struct Known {
    path: Path,
    priority: u32,
    generation: u64,
    last_check: f64,
    /// Whether that check nominated the path.
    is_nominating: bool,
}

#[derive(Default)]
struct Session {
    /// Newest last.
    ufrags: Vec<Box<[u8]>>,
    next_generation: u64,
    paths: Vec<Known>,
    selected: Option<SocketAddr>,
    /// With whose credentials it was nominated.
    selected_generation: u64,
    /// `None` before the first, and once consent was lost.
    last_check: Option<f64>,
    remembered: Vec<([u8; 12], SocketAddr)>,
    next_remembered: usize,
}

impl Session {
    fn known(&mut self, remote: SocketAddr) -> Option<&mut Known> {
        self.paths.iter_mut().find(|known| known.path.remote == remote)
    }

    /// Whether this transaction has been seen from elsewhere; remembers it.
    fn is_copy(&mut self, transaction: [u8; 12], source: SocketAddr) -> bool {
        match self.remembered.iter().find(|(seen, _)| *seen == transaction) {
            Some((_, first)) => return *first != source,
            None if self.remembered.len() < MAX_REMEMBERED => self.remembered.push((transaction, source)),
            None => self.remembered[self.next_remembered] = (transaction, source),
        }
        self.next_remembered = (self.next_remembered + 1) % MAX_REMEMBERED;
        false
    }

    /// Whether a nomination moves the session's packets to this path.
    fn is_better(&self, new: &Known, now: f64) -> bool {
        let selected = self.paths.iter().find(|known| Some(known.path.remote) == self.selected);
        let Some(selected) = selected else { return true };
        if new.generation != self.selected_generation {
            return new.generation > self.selected_generation;
        }
        let is_held = selected.is_nominating && now < selected.last_check + HOLD;
        selected.path != new.path && (new.priority > selected.priority || !is_held)
    }
}

/// All ICE sessions of the process's shared sockets. Times are seconds of the caller's monotonic clock.
pub struct Table {
    consent_timeout: f64,
    credentials: HashMap<Box<[u8]>, Credentials>,
    sessions: HashMap<u64, Session>,
    owners: HashMap<SocketAddr, u64>,
    /// No session loses its consent before; checks only move that later.
    deadline: Option<f64>,
}

impl Table {
    /// `consent_timeout`: seconds without an authentic check after which a session may not send any more (RFC 7675
    /// section 5.1: 30).
    pub fn new(consent_timeout: f64) -> Self {
        Self {
            consent_timeout,
            credentials: HashMap::new(),
            sessions: HashMap::new(),
            owners: HashMap::new(),
            deadline: None,
        }
    }

    /// Give a session credentials of ours. The second ones are those of an ICE restart: both are good until a path is
    /// nominated with the new ones, or until they are withdrawn. Of more than [`MAX_GENERATIONS`] the oldest goes.
    ///
    /// False, and nothing has changed, when the ufrag is another session's.
    pub fn add(&mut self, local_ufrag: &[u8], local_pwd: &[u8], session: u64) -> bool {
        if self
            .credentials
            .get(local_ufrag)
            .is_some_and(|known| known.session != session)
        {
            return false;
        }
        let state = self.sessions.entry(session).or_default();
        let generation = state.next_generation;
        state.next_generation += 1;
        state.ufrags.retain(|ufrag| **ufrag != *local_ufrag);
        state.ufrags.push(local_ufrag.into());
        let surplus = state.ufrags.len().saturating_sub(MAX_GENERATIONS);
        for ufrag in state.ufrags.drain(..surplus) {
            self.credentials.remove(&ufrag);
        }
        self.credentials.insert(
            local_ufrag.into(),
            Credentials {
                session,
                key: Key::new(local_pwd),
                generation,
            },
        );
        true
    }

    /// Take back credentials: an ICE restart was given up. The session and its paths stay.
    pub fn withdraw(&mut self, local_ufrag: &[u8]) {
        let Some(credentials) = self.credentials.remove(local_ufrag) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&credentials.session) {
            session.ufrags.retain(|ufrag| **ufrag != *local_ufrag);
        }
    }

    /// Forget a session, its credentials and its paths.
    pub fn remove(&mut self, session: u64) {
        let Some(state) = self.sessions.remove(&session) else {
            return;
        };
        for ufrag in &state.ufrags {
            self.credentials.remove(ufrag);
        }
        for known in &state.paths {
            self.owners.remove(&known.path.remote);
        }
    }

    /// The session that a source has proved to belong to: for DTLS and SRTP, which name nobody.
    pub fn session_of(&self, source: SocketAddr) -> Option<u64> {
        self.owners.get(&source).copied()
    }

    /// With which of its credentials the path in use was nominated: the number of the [`Table::add`], from zero.
    pub fn generation_of(&self, session: u64) -> Option<u64> {
        self.sessions.get(&session).map(|state| state.selected_generation)
    }

    /// Where a session's packets go; `None` before the first nomination.
    pub fn path_of(&self, session: u64) -> Option<Path> {
        let state = self.sessions.get(&session)?;
        state
            .paths
            .iter()
            .map(|known| known.path)
            .find(|path| Some(path.remote) == state.selected)
    }

    /// Take a STUN datagram that came to a shared socket; write the reply, if there is one, into `reply`.
    pub fn receive(
        &mut self,
        datagram: &[u8],
        source: SocketAddr,
        socket: usize,
        now: f64,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        reply.clear();
        let check = match Message::parse(datagram) {
            Ok(message) if message.class == Class::Request && message.method == BINDING => message,
            Ok(_) => return Outcome::Dropped(Reason::NotACheck),
            Err(error) => return Outcome::Dropped(Reason::Malformed(error)),
        };
        let Some(credentials) = check.local_ufrag().and_then(|ufrag| self.credentials.get(ufrag)) else {
            return Outcome::Dropped(Reason::UnknownUfrag);
        };
        if !check.is_authentic(&credentials.key) {
            return Outcome::Dropped(Reason::NotAuthentic);
        }
        let session = credentials.session;
        if let Some((code, reason)) = refusal(&check) {
            let writer = Writer::new(reply, Class::Error, BINDING, &check.transaction).error_code(code, reason);
            let writer = if code == 420 {
                writer.unknown_attributes(check.unknown())
            } else {
                writer
            };
            writer.integrity(&credentials.key).fingerprint();
            return Outcome::Refused { session, code };
        }
        let known = Known {
            path: Path { socket, remote: source },
            priority: check.priority.unwrap_or(0),
            generation: credentials.generation,
            last_check: now,
            is_nominating: check.use_candidate,
        };
        Writer::new(reply, Class::Success, BINDING, &check.transaction)
            .mapped_address(source)
            .integrity(&credentials.key)
            .fingerprint();
        if let Some(reason) = self.objection(session, source, check.transaction, now) {
            reply.clear();
            return Outcome::Dropped(reason);
        }
        let is_new_path = self.note_path(session, known);
        let nominated = check.use_candidate && self.nominate(session, known);
        Outcome::Answered {
            session,
            is_new_path,
            nominated,
        }
    }

    fn objection(&mut self, session: u64, source: SocketAddr, transaction: [u8; 12], now: f64) -> Option<Reason> {
        if self.sessions.get_mut(&session)?.is_copy(transaction, source) {
            return Some(Reason::Replayed);
        }
        (!self.may_own(source, session, now)).then_some(Reason::PathTaken)
    }

    /// Whether a source is nobody's, the session's own, or has not been heard for long as another's.
    fn may_own(&mut self, source: SocketAddr, session: u64, now: f64) -> bool {
        let Some(owner) = self.owners.get(&source).copied().filter(|owner| *owner != session) else {
            return true;
        };
        let Some(state) = self.sessions.get_mut(&owner) else {
            return true;
        };
        let is_silent = state
            .known(source)
            .is_none_or(|known| known.last_check + TAKE_OVER <= now);
        if is_silent {
            state.paths.retain(|known| known.path.remote != source);
            state.selected = state.selected.filter(|selected| *selected != source);
        }
        is_silent
    }

    /// Whether the path is a new one.
    fn note_path(&mut self, session: u64, new: Known) -> bool {
        let Some(state) = self.sessions.get_mut(&session) else {
            return false;
        };
        state.last_check = Some(new.last_check);
        let due = new.last_check + self.consent_timeout;
        self.deadline = Some(self.deadline.map_or(due, |deadline| deadline.min(due)));
        if let Some(known) = state.known(new.path.remote) {
            *known = new;
            return false;
        }
        if state.paths.len() == MAX_PATHS {
            let candidates = state.paths.iter().enumerate();
            let spare = candidates.filter(|(_, known)| Some(known.path.remote) != state.selected);
            if let Some((oldest, _)) = spare.min_by(|(_, a), (_, b)| a.last_check.total_cmp(&b.last_check)) {
                let known = state.paths.swap_remove(oldest);
                self.owners.remove(&known.path.remote);
            }
        }
        state.paths.push(new);
        self.owners.insert(new.path.remote, session);
        true
    }

    /// Whether the session's packets go another way now.
    fn nominate(&mut self, session: u64, new: Known) -> bool {
        let Some(state) = self.sessions.get_mut(&session) else {
            return false;
        };
        if !state.is_better(&new, new.last_check) {
            return false;
        }
        state.selected = Some(new.path.remote);
        state.selected_generation = new.generation;
        // What the restart replaces: its credentials are of no use any more, its paths are for what is in flight.
        let credentials = &mut self.credentials;
        state.ufrags.retain(|ufrag| {
            let is_old = credentials
                .get(ufrag)
                .is_none_or(|known| known.generation < new.generation);
            if is_old {
                credentials.remove(ufrag);
            }
            !is_old
        });
        true
    }

    /// When [`Table::handle_timeout`] wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadline
    }

    /// Add to `lost` each session that has lost the consent to be sent to. It is told once; a check gives it back.
    pub fn handle_timeout(&mut self, now: f64, lost: &mut Vec<u64>) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let mut next = f64::INFINITY;
        for (id, state) in &mut self.sessions {
            let Some(due) = state.last_check.map(|last_check| last_check + self.consent_timeout) else {
                continue;
            };
            if due <= now {
                state.last_check = None;
                lost.push(*id);
            } else {
                next = next.min(due);
            }
        }
        self.deadline = Some(next).filter(|next| next.is_finite());
    }
}

/// Code and reason for an authentic check that cannot be served.
fn refusal(check: &Message<'_>) -> Option<(u16, &'static str)> {
    if !check.unknown().is_empty() {
        Some((420, "Unknown Attribute")) // RFC 8489 section 6.3.1
    } else if matches!(check.role, Some(Role::Controlled(_))) {
        // RFC 8445 sections 6.1.1 and 7.3.1.1: beside a lite agent only the full one can control, whatever the
        // tie-breakers are.
        Some((487, "Role Conflict"))
    } else if check.priority.is_none() {
        Some((400, "Bad Request")) // RFC 8445 section 7.1.1
    } else {
        None
    }
}
