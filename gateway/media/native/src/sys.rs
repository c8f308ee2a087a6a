//! The system calls that the standard library does not have: many datagrams in one call, and what wakes a poll.
//!
//! The only module with `unsafe` in it. Everything here takes and gives owned buffers, so that no pointer leaves it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;

/// What an Ethernet frame holds of UDP; longer datagrams are not media.
pub const MAX_DATAGRAM: usize = 1472;

/// Take over a file descriptor as a UDP socket.
///
/// The caller gives it away: nobody else may close it (in Python: `socket.detach()`). Fails for a number that is not
/// an open socket.
pub fn udp_socket_from_raw(fd: RawFd) -> io::Result<UdpSocket> {
    let mut kind: libc::c_int = 0;
    let mut size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `kind`; a wrong descriptor is an error, nothing else.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast::<libc::c_void>(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if kind != libc::SOCK_DGRAM {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: it is open, as was just seen, and the caller has given it away.
    let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A non-blocking UDP socket that shares its port with others of this process, if `is_shared` (SO_REUSEPORT).
pub fn bind_udp(address: SocketAddr, is_shared: bool) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: no pointers; the result is checked.
    let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else knows it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    if is_shared {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if address.is_ipv6() {
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    let (name, size) = to_storage(&address);
    // SAFETY: `name` outlives the call and is at least `size` bytes long.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast::<libc::sockaddr>(), size) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(UdpSocket::from(socket))
}

/// Ask for a receive buffer of so many bytes; the kernel may give less.
pub fn set_receive_buffer(socket: &UdpSocket, bytes: i32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
}

fn set_option(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of` bytes of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<libc::c_void>(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Wakes whoever polls it.
pub struct Waker {
    file: File,
}

impl Waker {
    /// A new event descriptor (eventfd), not signalled.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else knows it.
        Ok(Self {
            file: File::from(unsafe { OwnedFd::from_raw_fd(fd) }),
        })
    }

    /// Make it readable.
    pub fn wake(&self) {
        // Full means that it is readable already.
        let _ = (&self.file).write(&1u64.to_ne_bytes());
    }

    /// Make it unreadable again.
    pub fn clear(&self) {
        let _ = (&self.file).read(&mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Seconds of CLOCK_MONOTONIC, which is what Python's `time.monotonic` and its loops count too.
pub fn monotonic() -> f64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Seconds of a processor that this thread has used, whatever else the machine does.
pub fn processor_time() -> f64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Have the processor fetch that memory while something else is done. Nothing depends on what is there, or whether
/// anything is.
pub fn prefetch<T>(memory: *const T) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..mem::size_of::<T>()).step_by(CACHE_LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the processor. It reads nothing, and an address that nobody has is no fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(memory.cast::<i8>().wrapping_add(offset)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = memory; // what comes next fetches it
}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// `struct sched_attr` of Linux, as far as all versions have it (sched_setattr(2)).
#[repr(C)]
#[derive(Default)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const SCHED_OTHER: u32 = 0;
const SCHED_FIFO: u32 = 1;
/// What the thread starts itself begins as an ordinary one.
const SCHED_FLAG_RESET_ON_FORK: u64 = 1;

/// When this thread gets a processor that others want too.
pub struct Turns {
    nice: i32,
}

impl Turns {
    /// As they are; nothing changes yet.
    pub fn of_this_thread() -> Self {
        let mut attributes = SchedAttr::default();
        let size = mem::size_of::<SchedAttr>() as u32;
        // SAFETY: the kernel writes at most `size` bytes to `attributes`.
        let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        Self {
            nice: if result == 0 { attributes.nice } else { 0 },
        }
    }

    /// Go before every ordinary thread of the machine (SCHED_FIFO, the lowest of its priorities).
    ///
    /// Needs CAP_SYS_NICE or a limit on real-time priorities (RLIMIT_RTPRIO) above zero. A thread that never rests would
    /// leave the others what the kernel keeps for them, 5 % by default.
    pub fn go_first(&self) -> io::Result<()> {
        set_scheduling(&SchedAttr {
            policy: SCHED_FIFO,
            flags: SCHED_FLAG_RESET_ON_FORK,
            priority: 1,
            ..SchedAttr::default()
        })
    }

    /// Be an ordinary thread that asks for short turns: when it wakes up with little to do it goes before one that has
    /// much to do, instead of waiting for the end of its turn.
    ///
    /// Linux 6.12 and later heed it, with a tenth of a millisecond at least; before, it changes nothing. How much of the
    /// processor the thread gets altogether stays as it is, and no privilege is needed.
    pub fn be_short(&self, seconds: f64) -> io::Result<()> {
        set_scheduling(&SchedAttr {
            policy: SCHED_OTHER,
            nice: self.nice,
            runtime: (seconds * 1e9) as u64,
            ..SchedAttr::default()
        })
    }
}

fn set_scheduling(attributes: &SchedAttr) -> io::Result<()> {
    let attributes = SchedAttr {
        size: mem::size_of::<SchedAttr>() as u32,
        ..*attributes
    };
    // SAFETY: the kernel reads `size` bytes of `attributes`.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Buffers for as many datagrams as one call may bring.
///
/// What the kernel wants to be told about them is written once: for a call that brings one datagram, describing room
/// for all of them anew would cost as much as the datagram.
pub struct ReceiveBatch {
    // Vectors, which own their elements but say nothing of who else points at them, and which are never resized
    buffers: Vec<[u8; MAX_DATAGRAM + 1]>,
    names: Vec<libc::sockaddr_storage>,
    _parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
}

impl ReceiveBatch {
    /// Room for `capacity` datagrams.
    pub fn new(capacity: usize) -> Self {
        // SAFETY: a sockaddr_storage is plain numbers, for which zero is a value.
        let empty: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let mut buffers = vec![[0; MAX_DATAGRAM + 1]; capacity];
        let mut names = vec![empty; capacity];
        let mut parts: Vec<libc::iovec> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_mut_ptr().cast::<libc::c_void>(),
                iov_len: MAX_DATAGRAM + 1,
            })
            .collect();
        let headers = names
            .iter_mut()
            .zip(&mut parts)
            .map(|(name, part)| {
                // SAFETY: an mmsghdr is pointers and numbers, for which zero is a value.
                let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
                header.msg_hdr.msg_name = (&raw mut *name).cast::<libc::c_void>();
                header.msg_hdr.msg_namelen = NAME_SIZE;
                header.msg_hdr.msg_iov = &raw mut *part;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self {
            buffers,
            names,
            _parts: parts,
            headers,
            received: 0,
        }
    }

    /// How many datagrams there is room for.
    pub fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// Take what the socket has, up to the capacity, without waiting; how many there were.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for header in &mut self.headers[..self.received] {
            header.msg_hdr.msg_namelen = NAME_SIZE; // the kernel has written there how long the name was
        }
        self.received = 0;
        // SAFETY: each of the headers points at one buffer and one name of this batch, as long as they say, and none
        // of these vectors ever grows or shrinks: they stay where they are until the batch is dropped.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        self.received = (result as usize).min(self.headers.len());
        Ok(self.received)
    }

    /// One of the datagrams taken last, and where it came from; none for one that is empty or too long.
    pub fn datagram(&self, at: usize) -> Option<(&[u8], SocketAddr)> {
        let size = self.headers.get(..self.received)?.get(at)?.msg_len as usize;
        if size == 0 || size > MAX_DATAGRAM {
            return None;
        }
        Some((self.buffers.get(at)?.get(..size)?, from_storage(self.names.get(at)?)?))
    }
}

const NAME_SIZE: libc::socklen_t = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;

const VECTOR: usize = 32;

/// Datagrams that will leave through one socket.
#[derive(Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    entries: Vec<(usize, usize, SocketAddr)>,
}

impl SendBatch {
    /// Add one.
    pub fn push(&mut self, datagram: &[u8], destination: SocketAddr) {
        self.entries.push((self.bytes.len(), datagram.len(), destination));
        self.bytes.extend_from_slice(datagram);
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Send all of them; what the kernel refuses is lost, as datagrams are. How many left.
    pub fn flush(&mut self, socket: &UdpSocket) -> usize {
        let mut sent = 0;
        for entries in self.entries.chunks(VECTOR) {
            sent += send_some(socket, &self.bytes, entries);
        }
        self.entries.clear();
        self.bytes.clear();
        sent
    }
}

fn send_some(socket: &UdpSocket, bytes: &[u8], entries: &[(usize, usize, SocketAddr)]) -> usize {
    // SAFETY: plain numbers and pointers, for which zero is a value.
    let (mut names, mut headers): ([libc::sockaddr_storage; VECTOR], [libc::mmsghdr; VECTOR]) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut parts: [libc::iovec; VECTOR] = std::array::from_fn(|_| libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    });
    for (at, (start, size, destination)) in entries.iter().enumerate() {
        let (name, name_size) = to_storage(destination);
        names[at] = name;
        parts[at].iov_base = bytes[*start..start + size].as_ptr().cast_mut().cast::<libc::c_void>();
        parts[at].iov_len = *size;
        let header = &mut headers[at].msg_hdr;
        header.msg_name = (&raw mut names[at]).cast::<libc::c_void>();
        header.msg_namelen = name_size;
        header.msg_iov = &raw mut parts[at];
        header.msg_iovlen = 1;
    }
    let (mut next, mut sent) = (0, 0);
    while next < entries.len() {
        // SAFETY: the headers from `next` on point at names, parts and bytes that outlive the call; the kernel only
        // reads what they point at.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().add(next),
                (entries.len() - next) as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        if result > 0 {
            next += result as usize;
            sent += result as usize;
        } else {
            next += 1; // this one was refused: the others may be fine
        }
    }
    sent
}

fn to_storage(address: &SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: plain numbers, for which zero is a value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let size = match address {
        SocketAddr::V4(address) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_storage is as large as any address and aligned for all.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(name) };
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(name) };
            mem::size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, size as libc::socklen_t)
}

fn from_storage(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says what it is, and the storage is large enough and aligned for all.
            let name = unsafe { (&raw const *storage).cast::<libc::sockaddr_in>().read() };
            let address = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { (&raw const *storage).cast::<libc::sockaddr_in6>().read() };
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(
                SocketAddrV6::new(
                    address,
                    u16::from_be(name.sin6_port),
                    name.sin6_flowinfo,
                    name.sin6_scope_id,
                )
                .into(),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let bind = || bind_udp(SocketAddr::new(address.parse().unwrap(), 0), false).unwrap();
        (bind(), bind())
    }

    #[test]
    fn a_batch_arrives_as_it_was_sent_with_its_source() {
        for address in ["127.0.0.1", "::1"] {
            let (sender, receiver) = pair(address);
            let mut batch = SendBatch::default();
            for at in 0..40u8 {
                batch.push(&[at; 20], receiver.local_addr().unwrap());
            }

            assert_eq!(batch.flush(&sender), 40);
            let mut received = ReceiveBatch::new(32);
            let mut datagrams = Vec::new();
            while datagrams.len() < 40 {
                for at in 0..received.receive(&receiver).unwrap() {
                    let (data, source) = received.datagram(at).unwrap();
                    assert_eq!(source, sender.local_addr().unwrap());
                    datagrams.push(data.to_vec());
                }
            }

            assert_eq!(datagrams, (0..40u8).map(|at| vec![at; 20]).collect::<Vec<_>>());
            assert!(batch.is_empty());
        }
    }

    #[test]
    fn a_refused_datagram_does_not_hold_up_the_others() {
        let (sender, receiver) = pair("127.0.0.1");
        let mut batch = SendBatch::default();
        batch.push(b"nowhere", "[::1]:9".parse().unwrap());
        batch.push(b"here", receiver.local_addr().unwrap());

        assert_eq!(batch.flush(&sender), 1);
    }

    #[test]
    fn what_is_too_long_or_empty_is_no_datagram_of_media() {
        let (sender, receiver) = pair("127.0.0.1");
        sender
            .send_to(&[1; MAX_DATAGRAM + 1], receiver.local_addr().unwrap())
            .unwrap();
        sender.send_to(&[], receiver.local_addr().unwrap()).unwrap();
        let mut batch = ReceiveBatch::new(4);

        let mut received = 0;
        while received < 2 {
            received += batch.receive(&receiver).unwrap();
        }

        assert!(batch.datagram(0).is_none());
        assert!(batch.datagram(1).is_none());
        assert!(batch.datagram(100).is_none());
    }

    #[test]
    fn a_thread_goes_first_where_it_may_and_is_an_ordinary_one_again() {
        let policies = std::thread::spawn(|| {
            let turns = Turns::of_this_thread();
            let may = turns.go_first().is_ok();
            // SAFETY: no pointers.
            let policy = || unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
            let first = policy();
            turns.be_short(0.0001).unwrap();
            (may, first, policy())
        })
        .join()
        .unwrap();

        let (may, first, then) = policies;
        assert_eq!(first, if may { libc::SCHED_FIFO } else { libc::SCHED_OTHER });
        assert_eq!(then, libc::SCHED_OTHER);
    }

    #[test]
    fn a_number_that_is_no_socket_is_refused() {
        assert!(udp_socket_from_raw(-1).is_err());
    }
}
