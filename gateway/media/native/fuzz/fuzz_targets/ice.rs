//! Whatever comes to a shared socket, in whatever order, the table keeps to its bounds and to its word.
#![no_main]

use std::net::SocketAddr;

use _native::ice::{MAX_PATHS, Outcome, Table};
use _native::stun::{BINDING, Class, Key, Role, Writer};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const NAMES: [(&[u8], &[u8], &[u8]); 4] = [
    (b"a", b"a:t", b"pa"),
    (b"b", b"b:t", b"pb"),
    (b"c", b"c:t", b"pc"),
    (b"d", b"d:t", b"pd"),
];
const SESSIONS: u64 = 3;

#[derive(Arbitrary, Debug)]
enum Step {
    Add {
        name: u8,
        session: u8,
    },
    Withdraw {
        name: u8,
    },
    Remove {
        session: u8,
    },
    Check {
        name: u8,
        port: u8,
        priority: Option<u32>,
        nominates: bool,
        is_controlled: bool,
        id: u8,
    },
    Datagram {
        port: u8,
        data: Vec<u8>,
    },
    Wait {
        seconds: u8,
    },
}

fn named(name: u8) -> (&'static [u8], &'static [u8], &'static [u8]) {
    NAMES[usize::from(name) % NAMES.len()]
}

fn at(port: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1 + u16::from(port)))
}

fuzz_target!(|steps: Vec<Step>| {
    let mut table = Table::new(30.0);
    let (mut data, mut reply, mut lost, mut now) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for step in steps {
        match step {
            Step::Add { name, session } => {
                table.add(named(name).0, named(name).2, u64::from(session) % SESSIONS);
            }
            Step::Withdraw { name } => table.withdraw(named(name).0),
            Step::Remove { session } => table.remove(u64::from(session) % SESSIONS),
            Step::Check {
                name,
                port,
                priority,
                nominates,
                is_controlled,
                id,
            } => {
                let (_, username, password) = named(name);
                let mut writer = Writer::new(&mut data, Class::Request, BINDING, &[id; 12]).username(username);
                if let Some(priority) = priority {
                    writer = writer.priority(priority);
                }
                if nominates {
                    writer = writer.use_candidate();
                }
                let role = if is_controlled {
                    Role::Controlled(1)
                } else {
                    Role::Controlling(1)
                };
                writer.role(role).integrity(&Key::new(password)).fingerprint();
                let outcome = table.receive(&data, at(port), 0, now, &mut reply);
                assert_eq!(matches!(outcome, Outcome::Dropped(_)), reply.is_empty());
                assert!(
                    reply.len() <= data.len() + 8,
                    "an answer is hardly longer than what asked for it"
                );
                if let Outcome::Answered { session, nominated, .. } = outcome {
                    assert_eq!(table.session_of(at(port)), Some(session));
                    assert!(!nominated || table.path_of(session).is_some_and(|path| path.remote == at(port)));
                }
            }
            Step::Datagram { port, data } => {
                let outcome = table.receive(&data, at(port), 0, now, &mut reply);
                assert!(matches!(outcome, Outcome::Dropped(_)), "nobody signs by chance");
            }
            Step::Wait { seconds } => {
                now += f64::from(seconds);
                lost.clear();
                table.handle_timeout(now, &mut lost);
                assert!(lost.len() as u64 <= SESSIONS);
                assert!(table.next_deadline().is_none_or(|deadline| deadline > now));
            }
        }
        for session in 0..SESSIONS {
            let paths = (0..=u8::MAX)
                .filter(|port| table.session_of(at(*port)) == Some(session))
                .count();
            assert!(paths <= MAX_PATHS);
        }
    }
});
