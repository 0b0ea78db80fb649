//! The bare loop's sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// As the daemon's: a shorter accept queue stalls thousands that connect at once.
const BACKLOG: i32 = 4_096;

pub(super) fn listen(port: u16) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

pub(super) fn watch(epoll: &OwnedFd, socket: &OwnedFd, token: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}

/// Accepts one connection and watches it; `None` when nobody waits.
pub(super) fn accept(listener: &OwnedFd, epoll: &OwnedFd, next_token: &mut u64) -> io::Result<Option<(u64, OwnedFd)>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match rustix::net::accept_with(listener, flags) {
        Ok(socket) => socket,
        Err(Errno::AGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    sockopt::set_tcp_nodelay(&socket, true)?;
    let token = *next_token;
    *next_token += 1;
    watch(epoll, &socket, token)?;
    Ok(Some((token, socket)))
}

/// Bytes read; an error of the connection is its end.
pub(super) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> usize {
    rustix::net::recv(socket, buffer, RecvFlags::empty()).map_or(0, |(length, _)| length)
}

/// Sends all of `bytes`, waiting where the socket is full: a bare loop has no outbox.
pub(super) fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::AGAIN) => wait_until_writable(socket)?,
            // It has gone; epoll says so too.
            Err(Errno::CONNRESET | Errno::PIPE) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn wait_until_writable(socket: &OwnedFd) -> io::Result<()> {
    poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)?;
    Ok(())
}
