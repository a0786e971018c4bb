//! Allow lists, floods, drips, and what one peer can do to another (WIRE N-3, N-4, F-37, F-38, F-52).

use super::harness::{Home, Pentamer, Sender, framed, low_igm, wait_for};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects from an address of this machine other than the usual one: another peer.
fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let from: SocketAddr = format!("{from}:0").parse().expect("an address");
    socket.bind(&from.into()).expect("bound");
    socket.connect(&to.into()).expect("connected");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("set");
    stream
        .set_read_timeout(Some(super::harness::DEADLINE))
        .expect("set");
    stream
}

#[test]
fn a_peer_that_may_not_send_is_told_of_once_a_minute() {
    let daemon = Pentamer::start(Home::new("allow = [\"127.0.0.1\"]", ""));
    for _ in 0..20 {
        let mut stranger = Sender::over(connect_from("127.0.0.2", daemon.mllp));
        assert_eq!(stranger.rest(), Vec::<Vec<u8>>::new());
    }
    wait_for("the count", || {
        (daemon.wire("denied") == 20.0).then_some(())
    });
    assert_eq!(daemon.home.log().matches("turned_away").count(), 1);
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
}

/// N-3: an address of IPv4 is the same one where it comes to a socket of IPv6.
#[test]
fn an_allow_list_knows_mapped_addresses() {
    let listener = "[[listener]]\nname = \"both\"\nbind = \"[::]:0\"\nallow = [\"127.0.0.0/30\"]\n";
    if std::net::TcpListener::bind("[::]:0").is_err() {
        return eprintln!("skipped: this machine has no IPv6");
    }
    let daemon = Pentamer::start(Home::new("", listener));
    let port = daemon.listener("both").port();
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(Sender::new(v4).exchange(&low_igm("1", "1")), "AA");
    for stranger in [
        TcpStream::connect(("::1", port)).expect("connected"),
        connect_from("127.0.0.4", v4),
    ] {
        assert_eq!(Sender::over(stranger).rest(), Vec::<Vec<u8>>::new());
    }
    wait_for("the count", || {
        (daemon.metric("pentamer_wire_denied_total", "both") == 2.0).then_some(())
    });
}

/// N-4: connections that never sent a message make room; one that did stays.
#[test]
fn idle_connections_make_room_for_a_sender() {
    let daemon = Pentamer::start(Home::new(
        "max_connections = 4\nmax_connections_per_peer = 4",
        "",
    ));
    let mut good = daemon.connect();
    assert_eq!(good.exchange(&low_igm("1", "1")), "AA");
    let mut idle: Vec<Sender> = (0..3).map(|_| daemon.connect()).collect();
    wait_for("all to be in", || {
        (daemon.metric("pentamer_connections", "") == 4.0).then_some(())
    });
    let mut late = daemon.connect();
    assert_eq!(late.exchange(&low_igm("2", "2")), "AA");
    assert_eq!(idle[0].rest(), Vec::<Vec<u8>>::new(), "the oldest went");
    assert_eq!(daemon.wire("silent_closed"), 1.0);
    assert_eq!(good.exchange(&low_igm("3", "3")), "AA");
    assert_eq!(idle[1].exchange(&low_igm("4", "4")), "AA");
}

/// Connections that do nothing cost little, and slow nobody.
#[test]
fn idle_connections_cost_little() {
    const IDLE: usize = 1_000;
    let daemon = Pentamer::start(Home::new(
        "max_connections = 2000\nmax_connections_per_peer = 2000\naccept_rate = 10000",
        "",
    ));
    let mut good = daemon.connect();
    assert_eq!(good.exchange(&low_igm("1", "1")), "AA");
    let before = daemon.resident_kib();
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|_| connect_from("127.0.0.2", daemon.mllp))
        .collect();
    wait_for("all to be in", || {
        (daemon.metric("pentamer_connections", "") == 1.0 + IDLE as f64).then_some(())
    });
    for number in 2..20 {
        assert_eq!(good.exchange(&low_igm(&number.to_string(), "1")), "AA");
    }
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < 32 * IDLE as u64, "{grown} KiB for {IDLE} of them");
    drop(idle);
    wait_for("all to be gone", || {
        (daemon.metric("pentamer_connections", "") == 1.0).then_some(())
    });
}

/// N-4: beyond its rate a peer waits, and another peer does not.
#[test]
fn a_flood_of_connections_delays_only_its_own_peer() {
    let daemon = Pentamer::start(Home::new(
        "max_connections = 1000\nmax_connections_per_peer = 500\naccept_rate = 5",
        "",
    ));
    let flood: Vec<TcpStream> = (0..400)
        .map(|_| connect_from("127.0.0.2", daemon.mllp))
        .collect();
    // The last of the flood would be served in more than a minute; the other peer is served meanwhile.
    let mut last = Sender::over(flood[399].try_clone().expect("cloned"));
    last.send(&framed(&low_igm("flood", "1")));
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    assert_eq!(daemon.stored(), 1.0, "the flood waits");
    assert!(daemon.wire("accept_delayed") > 300.0);
    let (_, status) = daemon.stop();
    assert!(
        status.success(),
        "and those who wait do not hold up the end"
    );
}

/// F-38 and F-12: drips and junk of many connections change nothing for a good peer.
#[test]
fn drips_and_junk_do_not_reach_a_good_peer() {
    let daemon = Pentamer::start(Home::new(
        "frame_timeout = \"1s\"\nmax_connections = 300\nmax_connections_per_peer = 250\naccept_rate = 1000",
        "",
    ));
    let mut drips: Vec<TcpStream> = (0..100)
        .map(|_| connect_from("127.0.0.2", daemon.mllp))
        .collect();
    let mut junk: Vec<TcpStream> = (0..20)
        .map(|_| connect_from("127.0.0.3", daemon.mllp))
        .collect();
    drips
        .iter_mut()
        .for_each(|one| one.write_all(b"\x0bMSH|^~\\&|").expect("written"));
    let mut good = daemon.connect();
    let mut number = 0;
    wait_for("all drips and junk to be gone", || {
        for one in &mut drips {
            let _ = one.write_all(b"x");
        }
        for one in &mut junk {
            let _ = one.write_all(&[b'j'; 8 << 10]);
        }
        number += 1;
        assert_eq!(good.exchange(&low_igm(&number.to_string(), "1")), "AA");
        std::thread::park_timeout(Duration::from_millis(20));
        let gone = daemon.wire("slow_frame") + daemon.metric("pentamer_quarantine_total", "");
        (gone >= 100.0 && daemon.wire("junk_closed") == 20.0).then_some(())
    });
    assert_eq!(daemon.stored(), f64::from(number));
}

/// F-52: while the frames of others fill the memory, who has begun none waits; then he is served.
#[test]
fn memory_of_frames_in_assembly_is_bounded() {
    let daemon = Pentamer::start(Home::new(
        "max_message = \"1 MiB\"\nframe_timeout = \"2s\"",
        "[limits]\nframe_memory = \"1 MiB\"",
    ));
    let hogs: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut hog = connect_from("127.0.0.2", daemon.mllp);
            hog.write_all(b"\x0bMSH|^~\\&|").expect("written");
            hog
        })
        .collect();
    let before = daemon.resident_kib();
    for hog in &hogs {
        let mut hog = hog.try_clone().expect("cloned");
        std::thread::spawn(move || {
            let _ = hog.write_all(&vec![b'x'; 900 << 10]);
        });
    }
    // Their frames stall and are given up after two seconds; meanwhile nobody new is read.
    let mut good = daemon.connect();
    assert_eq!(good.exchange(&low_igm("1", "1")), "AA");
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more memory");
    wait_for("the hogs' fragments", || {
        (daemon.metric("pentamer_quarantine_total", "truncated") == 8.0).then_some(())
    });
}
