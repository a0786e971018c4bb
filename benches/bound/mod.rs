//! The bound: a minimal server that does only what cannot be left out. It finds the frame, puts its bytes
//! behind the last ones of a file, calls `fdatasync` once for all that wait, and answers.

use std::io::Write as _;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// What its file is at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Empty: it grows with every append, and each sync writes its new length too.
    #[allow(dead_code, reason = "not every benchmark has this one beside it")]
    Growing,
    /// As long as it will be, as the journal's segments are; nobody had to make it meanwhile.
    Prepared,
}

/// Starts it on a new file.
pub async fn bound(file: &std::path::Path, log: Log) -> SocketAddr {
    let (queue, mut waiting) = mpsc::channel::<Waiting>(4096);
    let mut file = std::fs::File::create(file).expect("made");
    if log == Log::Prepared {
        file.write_all(&vec![0_u8; 64 << 20]).expect("prepared");
    }
    file.sync_all().expect("synced");
    std::io::Seek::rewind(&mut file).expect("rewound");
    std::thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while let Ok(next) = waiting.try_recv() {
                group.push(next);
            }
            let bytes: Vec<u8> = group
                .iter()
                .flat_map(|(bytes, _)| bytes.iter().copied())
                .collect();
            file.write_all(&bytes).expect("written");
            file.sync_data().expect("synced");
            for (_, answer) in group {
                let _ = answer.send(());
            }
        }
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(serve(stream, queue.clone()));
        }
    });
    address
}

/// One connection: what came with one read goes to the file together and is answered together.
async fn serve(mut stream: tokio::net::TcpStream, queue: mpsc::Sender<Waiting>) {
    stream.set_nodelay(true).expect("set");
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut seen = Vec::new();
    loop {
        let Ok(length) = stream.read(&mut buffer).await else {
            return;
        };
        if length == 0 {
            return;
        }
        seen.extend_from_slice(&buffer[..length]);
        let mut group = Vec::new();
        while let Some(end) = seen.windows(2).position(|pair| pair == b"\x1c\r") {
            let rest = seen.split_off(end + 2);
            let frame = std::mem::replace(&mut seen, rest);
            let id = frame
                .split(|byte| *byte == b'|')
                .nth(9)
                .unwrap_or_default()
                .to_vec();
            let (answer, stored) = oneshot::channel();
            if queue.send((frame, answer)).await.is_err() {
                return;
            }
            group.push((id, stored));
        }
        let mut answers = Vec::new();
        for (id, stored) in group {
            if stored.await.is_err() {
                return;
            }
            answers.extend_from_slice(
                b"\x0bMSH|^~\\&|PENT|IMM|LAB|HOSP|20261124101500||ACK|1|P|2.5.1\rMSA|AA|",
            );
            answers.extend_from_slice(&id);
            answers.extend_from_slice(b"\r\x1c\r");
        }
        if stream.write_all(&answers).await.is_err() {
            return;
        }
    }
}
