//! An MLLP receiver that answers as it is told, rightly or wrongly.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// This code for this message.
    Code(&'static str),
    /// AA for the message before.
    ForTheOneBefore,
    /// No answer.
    Nothing,
    /// The connection is closed.
    Close,
    /// Bytes that are no frame.
    Junk,
}

#[derive(Default)]
struct Inside {
    seen: Mutex<Vec<String>>,
    script: Mutex<VecDeque<Said>>,
}

/// On a port of its own until the test process ends.
pub struct MllpReceiver {
    pub address: SocketAddr,
    inside: Arc<Inside>,
}

impl MllpReceiver {
    pub fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = socket.local_addr().expect("an address");
        let inside = Arc::new(Inside::default());
        let shared = Arc::clone(&inside);
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let inside = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &inside));
            }
        });
        Self { address, inside }
    }

    /// What is done with the next messages; after them AA.
    pub fn say(&self, said: &[Said]) {
        self.inside.script.lock().expect("locked").extend(said);
    }

    /// The messages so far.
    pub fn seen(&self) -> Vec<String> {
        self.inside.seen.lock().expect("locked").clone()
    }
}

fn serve(mut stream: TcpStream, inside: &Inside) {
    let mut bytes = Vec::new();
    let mut before = String::from("none");
    let mut buffer = [0_u8; 4096];
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\x1c\r") else {
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
                _ => return,
            }
            continue;
        };
        let rest = bytes.split_off(end + 2);
        let frame = std::mem::replace(&mut bytes, rest);
        let text = String::from_utf8_lossy(&frame[1..end]).into_owned();
        let id = text.split('|').nth(9).unwrap_or_default().to_owned();
        inside.seen.lock().expect("locked").push(text);
        let said = inside.script.lock().expect("locked").pop_front();
        let (code, of) = match said.unwrap_or(Said::Code("AA")) {
            Said::Code(code) => (code, id.clone()),
            Said::ForTheOneBefore => ("AA", before.clone()),
            Said::Nothing => continue,
            Said::Close => return,
            Said::Junk => {
                let _ = stream.write_all(b"HTTP/1.1 400\r\n\x1c\r");
                continue;
            }
        };
        before = id;
        let answer = format!(
            "\x0bMSH|^~\\&|HIS|WARD|PENTAMER|HOSP|20260301||ACK^R01^ACK|A{of}|P|2.5.1\rMSA|{code}|{of}\r\x1c\r"
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
