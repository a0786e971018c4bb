//! Socket options of WIRE F-1, F-39 and P-16, and the end by a reset (P-2, P-3).

use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// For both modes: no delay, and dead peers are found although nothing is ever closed for being idle.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// A connection that we answer on: a peer that takes no answer for a minute is gone.
pub(super) fn prepare_endpoint(stream: &TcpStream) -> io::Result<()> {
    keep_alive(stream)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
    Ok(())
}

/// One end of a relay. Without a time-out for writes: a system that reads slowly is the ends' affair,
/// and they see it as they would without us (P-4, P-16).
pub(super) fn prepare_relay(stream: &TcpStream) -> io::Result<()> {
    keep_alive(stream)
}

/// Makes the end of this connection a reset instead of an ordinary one.
pub(super) fn end_by_reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
