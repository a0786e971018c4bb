//! Connections of the pages: plain or with TLS.

use crate::tls::Server;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

/// How long a handshake may take, and how many there may be at once.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const HANDSHAKES: usize = 64;
/// Pause after the system would not give a connection (no descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Client {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What accepts them.
pub(super) struct Door {
    address: SocketAddr,
    come: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Door {
    /// Accepts on a socket until the door is dropped.
    pub(super) fn open(socket: TcpListener, address: SocketAddr, tls: Option<Arc<Server>>) -> Self {
        let (send, come) = mpsc::channel(16);
        tokio::spawn(accept(socket, tls, send));
        Self { address, come }
    }
}

async fn accept(
    socket: TcpListener,
    tls: Option<Arc<Server>>,
    send: mpsc::Sender<(Stream, SocketAddr)>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            () = send.closed() => return,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls.clone() else {
            if send.send((Stream::Plain(stream), peer)).await.is_err() {
                return;
            }
            continue;
        };
        // Who does not shake hands holds up nobody; where too many do not, the newest is dropped.
        let Ok(slot) = Arc::clone(&handshakes).try_acquire_owned() else {
            continue;
        };
        let send = send.clone();
        tokio::spawn(async move {
            let shaken = timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await;
            drop(slot);
            if let Ok(Ok(stream)) = shaken {
                let _ = send.send((Stream::Tls(Box::new(stream)), peer)).await;
            }
        });
    }
}

impl Listener for Door {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.come.recv().await {
            Some(accepted) => accepted,
            // The task that accepts is gone with its runtime: nothing comes any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
