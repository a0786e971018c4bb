//! A way to a server on which every byte that is sent is kept.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Passes on what comes, and keeps what goes to the server.
pub struct Tap {
    pub address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// In front of a port of this machine.
    pub fn before(port: u16) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = socket.local_addr().expect("an address");
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in socket.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (Ok(back_from), Ok(back_to)) = (server.try_clone(), client.try_clone()) else {
                    continue;
                };
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || pass(client, server, Some(&kept)));
                std::thread::spawn(move || pass(back_from, back_to, None));
            }
        });
        Self { address, sent }
    }

    /// All that was sent to the server so far.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().expect("locked")).into_owned()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, kept: Option<&Mutex<Vec<u8>>>) {
    let mut buffer = [0_u8; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = &buffer[..length];
        if let Some(kept) = kept {
            kept.lock().expect("locked").extend_from_slice(piece);
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
