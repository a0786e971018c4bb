//! The bound: a minimal server that does only what cannot be left out. It finds the frame, puts its bytes
//! behind the last ones of a file, calls `fdatasync` once for all that wait, and answers.
//!
//! It is a process of its own, as every other server of a comparison is: within that of the clients, on their
//! threads, it would be spared the switches between processes that all others pay for. The benchmark's own binary
//! is it, where its environment says so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
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

/// The variables that make a benchmark's binary the bound: its file, and whether that is prepared.
const FILE: &str = "PENTAMER_BOUND_FILE";
const PREPARED: &str = "PENTAMER_BOUND_PREPARED";

/// The bound as a process, until it is dropped.
pub struct Bound {
    child: Child,
    /// Open for as long as it shall run: it ends with the benchmark, however that ends.
    _open: Option<ChildStdin>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bound {
    /// Starts it on a new file. The binary's `main` must begin with [`serve_if_asked`].
    pub fn start(file: &Path, log: Log) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a binary"))
            .env(FILE, file)
            .env(PREPARED, if log == Log::Prepared { "1" } else { "0" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut said = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut said).expect("said");
        Self {
            _open: child.stdin.take(),
            child,
            address: said.trim().parse().expect("an address"),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the bound, and does not return, where this process was started to be it.
pub fn serve_if_asked() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let log = match std::env::var(PREPARED).as_deref() {
        Ok("1") => Log::Prepared,
        _ => Log::Growing,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("{}", runtime.block_on(bound(Path::new(&file), log)));
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// Listens, on a new file.
async fn bound(file: &Path, log: Log) -> SocketAddr {
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
