//! Bounds on memory, measured on the running daemon.

use super::harness::{Pentamer, framed, low_igm, wait_for};

/// Idle, with nothing kept: under 64 MiB resident.
#[test]
fn idle_memory() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("1", "1")), "AA");
    daemon.settle();
    // What the program itself takes is another matter: here it is one with everything for a debugger.
    let (own, resident) = (daemon.own_kib(), daemon.resident_kib());
    println!("idle: {own} KiB of its own, {resident} KiB resident");
    assert!(own < 48 * 1024, "{own} KiB");
}

/// 256 connections, each with a frame of 256 KiB under way, stay within frames plus a fixed part.
#[test]
fn memory_under_256_connections() {
    let daemon = Pentamer::start(super::harness::Home::new(
        "max_connections = 300\nmax_connections_per_peer = 300",
        "[limits]\nframe_memory = \"32 MiB\"",
    ));
    let part = vec![b'x'; 256 * 1024];
    let mut senders: Vec<_> = (0..256).map(|_| daemon.connect()).collect();
    std::thread::scope(|scope| {
        for sender in &mut senders {
            let part = &part;
            let mut stream = sender.stream.try_clone().expect("cloned");
            scope.spawn(move || {
                use std::io::Write;
                // Those beyond the bound are not read: their bytes wait in the socket, and that is the point.
                stream
                    .set_write_timeout(Some(std::time::Duration::from_secs(2)))
                    .expect("set");
                let _ = stream.write_all(b"\x0bMSH|^~\\&|LAB|");
                let _ = stream.write_all(part);
            });
        }
    });
    let resident = daemon.resident_kib();
    println!("256 connections: {resident} KiB resident");
    // A connection that has begun its frame may finish it, so the bound is passed by at most one
    // read each; buffers and the runtime are the fixed part.
    assert!(resident < (64 + 2 * 64 + 64) * 1024, "{resident} KiB");
    drop(senders);
    wait_for("the daemon to serve", || {
        let mut sender = daemon.connect();
        sender.send(&framed(&low_igm("1", "1")));
        sender.answer()
    });
}

/// 100,000 segments in one message: taken, read, and the daemon stays small.
#[test]
fn a_message_of_100_000_segments() {
    let daemon = Pentamer::start_default();
    let mut content = low_igm("1", "1");
    for number in 0..100_000 {
        content.push_str(&format!(
            "OBX|{number}|NM|GLU^Glucose^L||5.{number}|mmol/L|3.9-6.1|N|||F\r"
        ));
    }
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&content), "AA");
    daemon.settle();
    assert_eq!(daemon.home.alerts().len(), 1);
    let resident = daemon.resident_kib();
    println!(
        "100,000 segments of {} bytes: {resident} KiB resident",
        content.len()
    );
    assert!(resident < 192 * 1024, "{resident} KiB");
}
