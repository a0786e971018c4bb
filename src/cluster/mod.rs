//! Facts in a JetStream stream that several instances of a site share (`[cluster]`, docs/cluster.md).
//!
//! # Invariants
//!
//! 1. One fact is one message of the stream; its position is the message's sequence.
//! 2. A fact is answered for only after the stream's acknowledgement, which JetStream gives when as many servers
//!    as the stream has replicas agree on it.
//! 3. What is tried again carries the same `Nats-Msg-Id`; an acknowledgement that says "duplicate" is believed
//!    only after the message there was read: it is this very one, or another copy of it that came by another
//!    instance, which is then recorded as [`SeenAgain`](crate::core::fact::Fact::SeenAgain).
//! 4. What decides or delivers is published on one subject, each expecting the sequence of the one before. Whoever
//!    takes the right to do so puts a [`Held`](crate::core::fact::Fact::Held) there first: from then on nothing of
//!    the former holder can be stored, whatever its clock says.
//!
//! # Rooms
//!
//! [`link`] speaks JetStream; [`message`] turns records into messages and back; [`tail`] is what an instance knows
//! of the end of the stream; [`writer`] stores, [`follow`] keeps up, [`reader`] reads; [`lease`] says who decides,
//! [`right`] is what the writer knows of that; [`plan`] says who should, of many sites; [`retain`] drops what is old;
//! [`copies`] carries checkpoints; [`spool`] keeps what is received while JetStream is away; [`status`] is all of it as
//! JetStream has it, [`outlook`] what was last heard of that. [`streams`] are made as they have to be, and [`bucket`] is
//! what instances say to one another.

mod bucket;
pub mod carry;
mod copies;
mod follow;
mod lease;
mod link;
mod message;
mod outlook;
mod plan;
mod reader;
mod retain;
mod right;
mod spool;
mod status;
mod streams;
mod tail;
mod writer;

pub use carry::CarryError;
pub use lease::{Lease, Standing};
pub use link::{FIT, Link, LinkError};
pub use outlook::{Heard, Last, Outlook};
pub use spool::{OnSpooling, Spooling};
pub use status::{Instance, Overview, Overviewed, Site, drain, drain_everywhere, overview, sites};

use crate::config::Cluster;
use crate::core::fact::JournalPosition;
use crate::journal::{self, Appender, Beside, Disk, JournalError, Options};
use crate::seal::Keyring;
use follow::Follower;
use reader::StreamLog;
use spool::Spool;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tail::Tail;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// Threads that speak with JetStream. Apart from those of all else, as those of relays are.
const THREADS: usize = 2;
/// In the data directory: which stream the rest of it is about.
pub const MARK: &str = "stream";

/// The log of a site cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What this instance has of its own.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// JetStream.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The data directory is of another stream.
    #[error(
        "the data directory knows stream `{known}`, and this is `{found}`: it was made anew, or is another one"
    )]
    OtherStream {
        /// As the directory has it.
        known: String,
        /// As it is.
        found: String,
    },
    /// The checkpoint is of facts that the stream has not got.
    #[error("the stream ends at {end}, and this instance's checkpoint stands at {checkpoint}")]
    Shorter {
        /// The stream's end.
        end: JournalPosition,
        /// The checkpoint.
        checkpoint: JournalPosition,
    },
    /// A thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What is open of a site's log.
pub struct Opened {
    /// The door.
    pub appender: Appender,
    /// The stream's end when it was opened.
    pub last: JournalPosition,
    /// What is to be ended.
    pub running: Running,
    /// Checkpoints that could not be used.
    pub unfit: Vec<journal::Unfit>,
    /// Where the checkpoint stands that serves.
    pub base: JournalPosition,
    /// The version of the servers, where it is older than [`FIT`] and the stream is on several.
    pub too_old: Option<String>,
}

/// The threads and tasks of a log.
pub struct Running {
    runtime: Option<Runtime>,
    writer: Option<JoinHandle<()>>,
    lease: Lease,
    outlook: Outlook,
    stop: CancellationToken,
    inlet: journal::Inlet,
}

/// Who is told what happens.
pub struct Tell<'a> {
    /// The stream does not answer, and is waited for.
    pub awaited: &'a (dyn Fn(&LinkError) + Sync),
    /// This instance begins with another one's checkpoint, which stands here.
    pub fetched: &'a (dyn Fn(JournalPosition) + Sync),
    /// Messages are kept aside.
    pub spooling: OnSpooling,
}

/// Waits until JetStream answers, then opens the site's log. Gives up when `stop` says so.
///
/// # Errors
/// What waiting does not mend; `None` where it was stopped.
pub fn open(
    disk: Arc<dyn Disk>,
    options: &Options,
    cluster: &Cluster,
    site: &str,
    tell: &Tell<'_>,
    stop: &CancellationToken,
) -> Result<Option<Opened>, OpenError> {
    let mut beside = journal::open_beside(Arc::clone(&disk), options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("cluster")
        .enable_all()
        .build()
        .map_err(OpenError::Thread)?;
    let patience = Patience {
        every: options.retry,
        tell,
        stop,
    };
    let link = runtime.block_on(patience.wait(async || Link::connect(cluster, site).await));
    let Some((link, found)) = link? else {
        runtime.shutdown_background();
        return Ok(None);
    };
    check_mark(&options.dir, &found.identity)?;
    let last = found.last;
    let is_all_kept = beside.base.next().0 >= found.first;
    if beside.base == JournalPosition::START || !is_all_kept {
        // Not while it is open: what arrives is chosen by the next opening.
        let base = beside.base;
        drop(beside);
        let fetch = async || copies::fetch(&link, &disk, &options.dir, base).await;
        // Without them it begins with the first fact, if the stream reaches back to it.
        let fetched = match is_all_kept {
            true => Some(runtime.block_on(fetch()).unwrap_or(0)),
            false => runtime.block_on(patience.wait(fetch))?,
        };
        let Some(fetched) = fetched else {
            runtime.shutdown_background();
            return Ok(None);
        };
        beside = journal::open_beside(Arc::clone(&disk), options)?;
        if fetched > 0 {
            (tell.fetched)(beside.base);
        }
    }
    let spool = Spool::open(disk, options, cluster.spool, Arc::clone(&tell.spooling))?;
    if beside.base > last {
        return Err(OpenError::Shorter {
            end: last,
            checkpoint: beside.base,
        });
    }
    let own = Own { beside, spool };
    let opened = start(runtime, link, own, options, cluster, last)?;
    Ok(Some(Opened {
        too_old: found.too_old,
        ..opened
    }))
}

/// How JetStream is waited for.
struct Patience<'a> {
    every: Duration,
    tell: &'a Tell<'a>,
    stop: &'a CancellationToken,
}

impl Patience<'_> {
    /// Asks again and again; `None` where it was told to end.
    async fn wait<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, LinkError>,
    ) -> Result<Option<T>, LinkError> {
        loop {
            match ask().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.is_transient() => (self.tell.awaited)(&error),
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }
}

/// What an instance has of its own.
struct Own {
    beside: Beside,
    spool: Spool,
}

fn start(
    runtime: Runtime,
    link: Link,
    own: Own,
    options: &Options,
    cluster: &Cluster,
    last: JournalPosition,
) -> Result<Opened, OpenError> {
    let Own { beside, spool } = own;
    let unfit = beside.unfit().to_vec();
    let base = beside.base;
    let link = Arc::new(link.with_keys(options.keys.clone()));
    let tail = Arc::new(Tail::new(base));
    let log = StreamLog::new(
        Arc::clone(&link),
        Arc::clone(&tail),
        runtime.handle().clone(),
    );
    let (appender, inlet, index) = beside.attach(options, Arc::new(log), last);
    tail.knows(index);
    let stop = CancellationToken::new();
    let follower = Follower {
        link: Arc::clone(&link),
        tail: Arc::clone(&tail),
        inlet: inlet.clone(),
        stop: stop.clone(),
    };
    runtime.spawn(follower.run());
    let keeper = retain::Keeper {
        link: Arc::clone(&link),
        inlet: inlet.clone(),
        retention: options.retention,
        stop: stop.clone(),
    };
    runtime.spawn(keeper.run());
    let copier = copies::Copier {
        link: Arc::clone(&link),
        inlet: inlet.clone(),
        replicas: cluster.replicas as usize,
        stop: stop.clone(),
    };
    runtime.spawn(copier.run());
    let lease = Lease::start(
        &runtime,
        Arc::clone(&link),
        inlet.clone(),
        Arc::clone(&tail),
        cluster,
        stop.clone(),
    );
    let outlook = Outlook::start(&runtime, Arc::clone(&link), lease.clone(), stop.clone());
    let writer = Writer::new(
        link,
        tail,
        inlet.clone(),
        lease.lost(),
        options,
        spool,
        runtime.handle().clone(),
    );
    let thread = std::thread::Builder::new().name("stream".to_owned());
    let thread = thread
        .spawn(move || writer.run())
        .map_err(OpenError::Thread)?;
    Ok(Opened {
        appender,
        last,
        running: Running {
            runtime: Some(runtime),
            writer: Some(thread),
            lease,
            outlook,
            stop,
            inlet,
        },
        unfit,
        base,
        too_old: None,
    })
}

impl Running {
    /// Gives the right to decide away, so that another instance need not wait for it. Before the last facts are
    /// stored: whoever takes it finds all of them.
    pub fn release(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(self.lease.release());
        }
    }

    /// Who decides, for the metrics.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// What was last heard of the cluster, for the pages.
    pub fn outlook(&self) -> Outlook {
        self.outlook.clone()
    }

    /// Stores what is queued, then ends.
    pub fn stop(mut self) {
        self.inlet.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Holds a data directory to the stream that it was begun with.
fn check_mark(dir: &Path, identity: &str) -> Result<(), OpenError> {
    let path = dir.join(MARK);
    match journal::read_mark(&path) {
        Ok(Some(known)) if known == identity => Ok(()),
        Ok(Some(known)) => Err(OpenError::OtherStream {
            known,
            found: identity.to_owned(),
        }),
        Ok(None) => {
            let written = journal::write_mark(&path, identity);
            written.map_err(|source| JournalError::Io {
                what: "write",
                path,
                source,
            })?;
            Ok(())
        }
        Err(source) => Err(JournalError::Io {
            what: "read",
            path,
            source,
        }
        .into()),
    }
}

/// Whether a data directory is one of an instance that shares a stream: then it holds no facts.
pub fn is_of_a_stream(dir: &Path) -> bool {
    dir.join(MARK).exists()
}

/// Whether an instance has kept messages aside that the stream has not got.
pub fn is_spooled(dir: &Path) -> bool {
    spool::is_left(dir)
}

/// A link to a site's stream outside a daemon.
///
/// # Errors
/// As [`Link::connect`].
pub async fn link(cluster: &Cluster, site: &str, keys: Keyring) -> Result<Link, LinkError> {
    let (link, _) = Link::connect(cluster, site).await?;
    Ok(link.with_keys(keys))
}
