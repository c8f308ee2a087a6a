use proptest::prelude::*;

use super::*;

const TIMEOUT: f64 = 30.0;

/// A table with session 1, and a browser that checks it.
struct Scene {
    table: Table,
    reply: Vec<u8>,
    count: u32,
    now: f64,
}

/// A check as the far end makes it.
struct Check {
    username: &'static [u8],
    password: &'static [u8],
    priority: Option<u32>,
    nominates: bool,
    role: Role,
}

const CHECK: Check = Check {
    username: b"ours:theirs",
    password: b"a password of ours 123",
    priority: Some(100),
    nominates: false,
    role: Role::Controlling(1),
};
const NOMINATION: Check = Check {
    nominates: true,
    ..CHECK
};
const RESTARTED: Check = Check {
    username: b"new:theirs",
    password: b"another password of ours",
    ..CHECK
};

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn transaction(count: u32) -> [u8; 12] {
    let mut id = [0; 12];
    id[..4].copy_from_slice(&count.to_be_bytes());
    id
}

impl Scene {
    fn new() -> Self {
        let mut table = Table::new(TIMEOUT);
        assert!(table.add(b"ours", CHECK.password, 1));
        Self {
            table,
            reply: Vec::new(),
            count: 0,
            now: 0.0,
        }
    }

    fn datagram(&mut self, check: &Check) -> Vec<u8> {
        self.count += 1;
        let mut data = Vec::new();
        let mut writer =
            Writer::new(&mut data, Class::Request, BINDING, &transaction(self.count)).username(check.username);
        if let Some(priority) = check.priority {
            writer = writer.priority(priority);
        }
        if check.nominates {
            writer = writer.use_candidate();
        }
        writer
            .role(check.role)
            .integrity(&Key::new(check.password))
            .fingerprint();
        data
    }

    fn check(&mut self, check: &Check, port: u16) -> Outcome {
        let data = self.datagram(check);
        self.receive(&data, port)
    }

    fn receive(&mut self, data: &[u8], port: u16) -> Outcome {
        self.table.receive(data, at(port), 0, self.now, &mut self.reply)
    }

    fn port_in_use(&self) -> Option<u16> {
        self.table.path_of(1).map(|path| path.remote.port())
    }

    fn lost(&mut self) -> Vec<u64> {
        let mut lost = Vec::new();
        self.table.handle_timeout(self.now, &mut lost);
        lost
    }
}

const NEW_PATH: Outcome = Outcome::Answered {
    session: 1,
    is_new_path: true,
    nominated: false,
};
const NOMINATED: Outcome = Outcome::Answered {
    session: 1,
    is_new_path: false,
    nominated: true,
};
const AGAIN: Outcome = Outcome::Answered {
    session: 1,
    is_new_path: false,
    nominated: false,
};

#[test]
fn signed_check_is_answered_with_its_source_and_makes_a_path() {
    let mut scene = Scene::new();

    assert_eq!(scene.check(&CHECK, 5000), NEW_PATH);

    let response = Message::parse(&scene.reply).unwrap();
    assert_eq!((response.class, response.transaction), (Class::Success, transaction(1)));
    assert_eq!(response.mapped_address, Some(at(5000)));
    assert!(response.has_fingerprint && response.is_authentic(&Key::new(CHECK.password)));
    assert_eq!(scene.table.session_of(at(5000)), Some(1));
    assert_eq!(scene.table.session_of(at(5001)), None);
    assert_eq!(scene.port_in_use(), None);
}

#[test]
fn nominated_path_is_the_one_in_use() {
    let mut scene = Scene::new();
    scene.check(&CHECK, 5000);

    assert_eq!(scene.check(&NOMINATION, 5000), NOMINATED);
    assert_eq!(scene.check(&NOMINATION, 5000), AGAIN);

    assert_eq!(
        scene.table.path_of(1),
        Some(Path {
            socket: 0,
            remote: at(5000)
        })
    );
}

#[test]
fn nominated_source_that_was_never_signalled_is_taken() {
    let mut scene = Scene::new();

    let outcome = scene.check(&NOMINATION, 61_000);

    assert_eq!(
        outcome,
        Outcome::Answered {
            session: 1,
            is_new_path: true,
            nominated: true
        }
    );
}

#[test]
fn strangers_get_no_answer_and_leave_nothing_behind() {
    let mut scene = Scene::new();
    let (unknown, unsigned) = (
        Check {
            username: b"other:theirs",
            ..CHECK
        },
        Check {
            password: b"guess",
            ..CHECK
        },
    );
    let without_colon = Check {
        username: b"ours",
        ..CHECK
    };
    for port in 1000..2000 {
        assert_eq!(scene.check(&unknown, port), Outcome::Dropped(Reason::UnknownUfrag));
        assert_eq!(
            scene.check(&without_colon, port),
            Outcome::Dropped(Reason::UnknownUfrag)
        );
        assert_eq!(scene.check(&unsigned, port), Outcome::Dropped(Reason::NotAuthentic));
    }

    assert!(scene.reply.is_empty());
    assert!(scene.table.owners.is_empty());
    assert_eq!(scene.table.sessions[&1].remembered.len(), 0);
    assert_eq!(scene.table.next_deadline(), None);
}

#[test]
fn what_is_not_a_check_is_dropped() {
    let mut scene = Scene::new();
    let mut data = Vec::new();
    for class in [Class::Indication, Class::Success, Class::Error] {
        Writer::new(&mut data, class, BINDING, &transaction(1)).fingerprint();
        assert_eq!(scene.receive(&data, 1), Outcome::Dropped(Reason::NotACheck));
    }
    Writer::new(&mut data, Class::Request, 0x003, &transaction(1)).fingerprint();

    assert_eq!(scene.receive(&data, 1), Outcome::Dropped(Reason::NotACheck));
    assert_eq!(
        scene.receive(&data[..9], 1),
        Outcome::Dropped(Reason::Malformed(StunError::NotStun))
    );
}

#[test]
fn far_end_that_thinks_it_is_controlled_is_told_of_the_conflict() {
    let mut scene = Scene::new();

    for breaker in [0, u64::MAX] {
        let check = Check {
            role: Role::Controlled(breaker),
            ..NOMINATION
        };
        assert_eq!(scene.check(&check, 5000), Outcome::Refused { session: 1, code: 487 });
    }

    let response = Message::parse(&scene.reply).unwrap();
    assert_eq!((response.class, response.error_code), (Class::Error, Some(487)));
    assert!(response.is_authentic(&Key::new(CHECK.password)));
    assert_eq!(scene.table.session_of(at(5000)), None);
    assert_eq!(
        scene.check(&NOMINATION, 5000),
        Outcome::Answered {
            session: 1,
            is_new_path: true,
            nominated: true
        }
    );
}

#[test]
fn check_without_a_priority_is_a_bad_request() {
    let mut scene = Scene::new();

    let outcome = scene.check(
        &Check {
            priority: None,
            ..CHECK
        },
        5000,
    );

    assert_eq!(outcome, Outcome::Refused { session: 1, code: 400 });
}

#[test]
fn check_with_an_attribute_that_must_be_understood_is_refused() {
    let mut scene = Scene::new();
    let mut data = Vec::new();
    Writer::new(&mut data, Class::Request, BINDING, &transaction(1))
        .username(CHECK.username)
        .priority(1)
        .attribute(0x7001, b"?")
        .integrity(&Key::new(CHECK.password))
        .fingerprint();

    assert_eq!(scene.receive(&data, 5000), Outcome::Refused { session: 1, code: 420 });
    assert_eq!(Message::parse(&scene.reply).unwrap().error_code, Some(420));
    assert_eq!(scene.table.session_of(at(5000)), None);
}

#[test]
fn copy_of_a_check_from_elsewhere_makes_no_path() {
    let mut scene = Scene::new();
    let data = scene.datagram(&NOMINATION);
    scene.receive(&data, 5000);

    assert_eq!(scene.receive(&data, 5000), AGAIN);
    assert_eq!(scene.receive(&data, 6666), Outcome::Dropped(Reason::Replayed));
    assert_eq!(scene.table.session_of(at(6666)), None);
    assert_eq!(scene.port_in_use(), Some(5000));
}

#[test]
fn copy_of_a_check_does_not_take_the_path_of_another_session() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    scene.table.add(b"new", RESTARTED.password, 2);
    let data = scene.datagram(&RESTARTED);
    scene.receive(&data, 5001);

    scene.now = TAKE_OVER;

    assert_eq!(scene.receive(&data, 5000), Outcome::Dropped(Reason::Replayed));
    assert_eq!(scene.table.session_of(at(5000)), Some(1));
    assert_eq!(scene.port_in_use(), Some(5000));
}

#[test]
fn of_paths_nominated_all_at_once_the_one_of_highest_priority_is_used() {
    let mut scene = Scene::new();
    for (port, priority) in [(5000, 100), (5001, 300), (5002, 200)] {
        scene.check(
            &Check {
                priority: Some(priority),
                ..NOMINATION
            },
            port,
        );
    }

    assert_eq!(scene.port_in_use(), Some(5001));
}

#[test]
fn far_end_that_moves_to_a_path_of_lower_priority_is_followed() {
    let mut scene = Scene::new();
    scene.check(
        &Check {
            priority: Some(300),
            ..NOMINATION
        },
        5000,
    );
    let move_on = Check {
        priority: Some(100),
        ..NOMINATION
    };

    // The old path is still checked, but not nominated any more.
    scene.check(
        &Check {
            priority: Some(300),
            ..CHECK
        },
        5000,
    );
    scene.check(&move_on, 5001);
    assert_eq!(scene.port_in_use(), Some(5001));
}

#[test]
fn far_end_whose_network_has_gone_is_followed_after_the_hold() {
    let mut scene = Scene::new();
    scene.check(
        &Check {
            priority: Some(300),
            ..NOMINATION
        },
        5000,
    );
    let move_on = Check {
        priority: Some(100),
        ..NOMINATION
    };

    scene.now = HOLD - 0.1;
    scene.check(&move_on, 5001);
    assert_eq!(scene.port_in_use(), Some(5000));
    scene.now = HOLD;
    scene.check(&move_on, 5001);
    assert_eq!(scene.port_in_use(), Some(5001));
}

#[test]
fn ice_restart_takes_both_credentials_until_the_new_ones_have_a_path() {
    let mut scene = Scene::new();
    scene.check(
        &Check {
            priority: Some(900),
            ..NOMINATION
        },
        5000,
    );
    assert!(scene.table.add(b"new", RESTARTED.password, 1));

    assert_eq!(scene.check(&CHECK, 5000), AGAIN);
    assert_eq!(scene.check(&RESTARTED, 5001), NEW_PATH);
    assert_eq!(scene.port_in_use(), Some(5000));
    assert_eq!(
        scene.check(
            &Check {
                nominates: true,
                ..RESTARTED
            },
            5001
        ),
        NOMINATED
    );

    assert_eq!(scene.port_in_use(), Some(5001));
    assert_eq!(scene.check(&NOMINATION, 5000), Outcome::Dropped(Reason::UnknownUfrag));
    assert_eq!(scene.table.session_of(at(5000)), Some(1), "for what is still in flight");
}

#[test]
fn ice_restart_on_the_same_path_needs_no_other_port() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    scene.table.add(b"new", RESTARTED.password, 1);

    scene.check(
        &Check {
            nominates: true,
            ..RESTARTED
        },
        5000,
    );

    assert_eq!(scene.port_in_use(), Some(5000));
    assert_eq!(scene.check(&CHECK, 5000), Outcome::Dropped(Reason::UnknownUfrag));
}

#[test]
fn ice_restart_that_is_given_up_changes_nothing() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    scene.table.add(b"new", RESTARTED.password, 1);

    scene.table.withdraw(b"new");

    assert_eq!(scene.check(&RESTARTED, 5001), Outcome::Dropped(Reason::UnknownUfrag));
    assert_eq!(scene.check(&NOMINATION, 5000), AGAIN);
}

#[test]
fn of_three_generations_the_oldest_is_gone() {
    let mut scene = Scene::new();
    scene.table.add(b"new", RESTARTED.password, 1);
    scene.table.add(b"third", b"a third password", 1);

    assert_eq!(scene.check(&CHECK, 5000), Outcome::Dropped(Reason::UnknownUfrag));
    assert_eq!(scene.check(&RESTARTED, 5000), NEW_PATH);
}

#[test]
fn ufrag_of_another_session_cannot_be_added() {
    let mut scene = Scene::new();

    assert!(!scene.table.add(b"ours", b"x", 2));
    assert_eq!(scene.check(&CHECK, 5000), NEW_PATH);
}

#[test]
fn path_of_another_session_is_left_alone_while_it_is_checked() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    scene.table.add(b"new", RESTARTED.password, 2);

    assert_eq!(scene.check(&RESTARTED, 5000), Outcome::Dropped(Reason::PathTaken));
    assert!(scene.reply.is_empty());
    scene.now = TAKE_OVER;
    assert_eq!(
        scene.check(&RESTARTED, 5000),
        Outcome::Answered {
            session: 2,
            is_new_path: true,
            nominated: false
        }
    );
    assert_eq!(scene.table.session_of(at(5000)), Some(2));
    assert_eq!(scene.port_in_use(), None);
}

#[test]
fn removed_session_is_forgotten() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    scene.table.add(b"new", RESTARTED.password, 1);

    scene.table.remove(1);

    assert!(scene.table.credentials.is_empty() && scene.table.owners.is_empty() && scene.table.sessions.is_empty());
    assert_eq!(scene.check(&CHECK, 5000), Outcome::Dropped(Reason::UnknownUfrag));
}

#[test]
fn number_of_paths_is_bounded_and_the_one_in_use_stays() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);
    for port in 6000..6100 {
        scene.now += 0.1;
        scene.check(&CHECK, port);
    }

    assert_eq!(scene.table.sessions[&1].paths.len(), MAX_PATHS);
    assert_eq!(scene.table.owners.len(), MAX_PATHS);
    assert_eq!(scene.table.sessions[&1].remembered.len(), MAX_REMEMBERED);
    assert_eq!(scene.port_in_use(), Some(5000));
    assert_eq!(scene.table.session_of(at(6099)), Some(1));
    assert_eq!(scene.table.session_of(at(6000)), None);
}

#[test]
fn consent_is_lost_once_when_no_check_comes_and_given_back_by_one() {
    let mut scene = Scene::new();
    assert_eq!(scene.table.next_deadline(), None);
    scene.check(&NOMINATION, 5000);
    assert_eq!(scene.table.next_deadline(), Some(TIMEOUT));

    scene.now = 20.0;
    scene.check(&CHECK, 5000);
    scene.now = TIMEOUT;
    assert!(scene.lost().is_empty());
    assert_eq!(scene.table.next_deadline(), Some(50.0));
    scene.now = 50.0;
    assert_eq!(scene.lost(), [1]);
    assert!(scene.lost().is_empty());
    assert_eq!(scene.table.next_deadline(), None);

    scene.check(&CHECK, 5000);
    assert_eq!(scene.table.next_deadline(), Some(80.0));
}

#[test]
fn refused_check_gives_no_consent() {
    let mut scene = Scene::new();
    scene.check(&NOMINATION, 5000);

    scene.now = 10.0;
    scene.check(
        &Check {
            role: Role::Controlled(1),
            ..CHECK
        },
        5000,
    );
    scene.now = TIMEOUT;

    assert_eq!(scene.lost(), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8, u8),
    Withdraw(u8),
    Remove(u8),
    Check {
        ufrag: u8,
        port: u8,
        nominates: bool,
        priority: u8,
    },
    Wait(u8),
    Garbage(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6u8, 0..3u8).prop_map(|(ufrag, session)| Step::Add(ufrag, session)),
        (0..6u8).prop_map(Step::Withdraw),
        (0..3u8).prop_map(Step::Remove),
        (0..6u8, any::<u8>(), any::<bool>(), any::<u8>()).prop_map(|(ufrag, port, nominates, priority)| Step::Check {
            ufrag,
            port,
            nominates,
            priority
        }),
        any::<u8>().prop_map(Step::Wait),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Garbage),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Username and password for a number.
fn named(ufrag: u8) -> (&'static [u8], &'static [u8], &'static [u8]) {
    const NAMES: [(&[u8], &[u8], &[u8]); 6] = [
        (b"a", b"a:t", b"pa"),
        (b"b", b"b:t", b"pb"),
        (b"c", b"c:t", b"pc"),
        (b"d", b"d:t", b"pd"),
        (b"e", b"e:t", b"pe"),
        (b"f", b"f:t", b"pf"),
    ];
    NAMES[usize::from(ufrag)]
}

proptest! {
    #[test]
    fn indexes_agree_and_stay_bounded_whatever_happens(steps in steps()) {
        let mut scene = Scene::new();
        for step in steps {
            match step {
                Step::Add(ufrag, session) => {
                    scene.table.add(named(ufrag).0, named(ufrag).2, u64::from(session));
                }
                Step::Withdraw(ufrag) => scene.table.withdraw(named(ufrag).0),
                Step::Remove(session) => scene.table.remove(u64::from(session)),
                Step::Check { ufrag, port, nominates, priority } => {
                    let (_, username, password) = named(ufrag);
                    let priority = Some(u32::from(priority));
                    scene.check(&Check { username, password, nominates, priority, ..CHECK }, u16::from(port));
                }
                Step::Wait(tenths) => {
                    scene.now += f64::from(tenths) / 10.0;
                    scene.lost();
                }
                Step::Garbage(data) => {
                    scene.receive(&data, 1);
                }
            }
            let table = &scene.table;
            let paths: usize = table.sessions.values().map(|session| session.paths.len()).sum();
            prop_assert_eq!(paths, table.owners.len());
            for (id, session) in &table.sessions {
                prop_assert!(session.paths.len() <= MAX_PATHS && session.ufrags.len() <= MAX_GENERATIONS);
                for known in &session.paths {
                    prop_assert_eq!(table.session_of(known.path.remote), Some(*id));
                }
                for ufrag in &session.ufrags {
                    prop_assert_eq!(table.credentials[ufrag].session, *id);
                }
                prop_assert_eq!(session.selected.is_some(), table.path_of(*id).is_some());
            }
            let ufrags: usize = table.sessions.values().map(|session| session.ufrags.len()).sum();
            prop_assert_eq!(ufrags, table.credentials.len());
        }
    }
}
