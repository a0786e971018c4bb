//! `pentamer cluster`: the instances of a site and its stream; moving a journal into it and back.

mod carried;

use super::journal::keys_of;
use super::{Exit, after_help, complain, environment, print};
use crate::cluster::{self, Link, LinkError, Overview, Site};
use crate::config::{self, Cluster, Config};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Show the instances of the site and its stream, take one out, or move a journal into the stream and back
#[derive(Debug, clap::Args)]
#[command(after_help = after_help("pentamer cluster status --config /etc/pentamer/pentamer.toml"))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Who decides, who stands by, and how the stream is
    #[command(after_help = after_help("pentamer cluster status --json"))]
    Status(Status),
    /// Have an instance give the right to decide away, and take none; it goes on receiving
    #[command(after_help = after_help("pentamer cluster drain b\n  pentamer cluster drain --undo b"))]
    Drain(Drain),
    /// Bring the journal of the data directory into an empty stream; the daemon must be stopped; pages nobody
    #[command(after_help = after_help("pentamer cluster import --config /etc/pentamer/pentamer.toml"))]
    Import(Place),
    /// Take the facts of the stream back into the data directory; all daemons must be stopped; pages nobody
    #[command(after_help = after_help("pentamer cluster export --config /etc/pentamer/pentamer.toml"))]
    Export(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Configuration file; without it /etc/pentamer/pentamer.toml if there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    place: Place,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// All sites that share the servers' account, a line each
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct Drain {
    #[command(flatten)]
    place: Place,
    /// Have it take part again
    #[arg(long)]
    undo: bool,
    /// In all sites that it serves
    #[arg(long)]
    all: bool,
    /// Its name, as `pentamer cluster status` shows it
    #[arg(value_name = "INSTANCE")]
    instance: String,
}

/// [`Exit::TryAgain`] where JetStream does not answer.
pub fn run(args: &Args) -> Exit {
    let done = match &args.action {
        Action::Status(args) => status(args),
        Action::Drain(args) => drain(args),
        Action::Import(args) => carried::import(args),
        Action::Export(args) => carried::export(args),
    };
    match done {
        Ok(exit) | Err(exit) => exit,
    }
}

fn loaded(place: &Place) -> Result<(Config, Cluster), Exit> {
    let loaded = config::load(place.config.as_deref(), environment()).map_err(|problems| {
        eprint!("{problems}");
        Exit::Usage
    })?;
    let Some(shared) = loaded.config.cluster.clone() else {
        let sources = loaded.sources.join(", ");
        complain(
            "no stream is configured",
            &sources,
            "write `[cluster]` with its `url`, or name the file that has it with --config",
        );
        return Err(Exit::Usage);
    };
    Ok((loaded.config, shared))
}

fn away(shared: &Cluster, error: &LinkError) -> Exit {
    complain(
        &error.to_string(),
        &shared.urls.join(","),
        "see that the servers run, have JetStream on, and a leader for this stream",
    );
    match error.is_transient() {
        true => Exit::TryAgain,
        false => Exit::Failed,
    }
}

/// Runs what speaks to JetStream.
fn speak<T>(
    config: &Config,
    shared: &Cluster,
    work: impl AsyncFnOnce(&Link) -> Result<T, LinkError>,
) -> Result<T, Exit> {
    let keys = keys_of(config.storage.encryption_key_file.as_deref())?;
    let runtime = super::daemon_main::runtime().map_err(|_| Exit::CannotStart)?;
    let done = runtime.block_on(async {
        let link = cluster::link(shared, &config.site.name, keys).await?;
        work(&link).await
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    done.map_err(|error| away(shared, &error))
}

fn status(args: &Status) -> Result<Exit, Exit> {
    let (config, shared) = loaded(&args.place)?;
    if args.all {
        let found = speak(&config, &shared, async |link: &Link| {
            cluster::sites(link).await
        })?;
        let json = || serde_json::to_string_pretty(&found).map(|json| json + "\n");
        print(&match args.json {
            true => json().map_err(|_| Exit::Failed)?,
            false => all_shown(&found),
        });
        return Ok(match found.iter().all(|one| one.holder.is_some()) {
            true => Exit::Done,
            false => Exit::Failed,
        });
    }
    let found = speak(&config, &shared, async |link: &Link| {
        cluster::overview(link).await
    })?;
    if args.json {
        let json = serde_json::to_string_pretty(&found).map_err(|_| Exit::Failed)?;
        print(&format!("{json}\n"));
    } else {
        print(&shown(&found));
    }
    Ok(match found.holder.is_some() && found.behind.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// A line a site, and how many each instance decides about.
fn all_shown(found: &[Site]) -> String {
    let mut text = String::new();
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for site in found {
        let holder = site.holder.as_deref().unwrap_or("nobody");
        let _ = write!(
            text,
            "{}: {holder} decides, epoch {}",
            site.stream, site.epoch
        );
        if let Some(planned) = site.planned.as_deref().filter(|planned| *planned != holder) {
            let _ = write!(text, ", goes to {planned}");
        }
        let others = site.instances.iter().filter(|one| one.name != holder);
        for one in others {
            let does = one.does(site.holder.as_deref());
            let _ = write!(text, "; {}: {does}", one.name);
        }
        text.push('\n');
        for one in &site.instances {
            held.entry(&one.name).or_default();
        }
        if let Some(holder) = &site.holder {
            *held.entry(holder).or_default() += 1;
        }
    }
    text.push('\n');
    for (name, sites) in held {
        let _ = writeln!(text, "{name} decides about {sites}");
    }
    text
}

fn shown(found: &Overview) -> String {
    let mut text = format!(
        "stream {}: facts {} to {}, on {} server{}",
        found.stream,
        found.first,
        found.last,
        found.replicas,
        if found.replicas == 1 { "" } else { "s" }
    );
    if let Some(leader) = &found.leader {
        let _ = write!(text, ", led by {leader}");
    }
    if !found.behind.is_empty() {
        let _ = write!(text, "; away or behind: {}", found.behind.join(", "));
    }
    let holder = found.holder.as_deref().unwrap_or("nobody");
    let _ = writeln!(text, "\n{holder} decides, epoch {}\n", found.epoch);
    for one in &found.instances {
        let at = jiff::Timestamp::from_microsecond(one.at.as_micros());
        let at = at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let _ = writeln!(
            text,
            "{}: {}, {} facts behind, version {}, last heard of {}",
            one.name,
            found.does(one),
            found.behind_by(one),
            one.version,
            at.unwrap_or_default()
        );
    }
    text
}

fn drain(args: &Drain) -> Result<Exit, Exit> {
    let (config, shared) = loaded(&args.place)?;
    let name = args.instance.clone();
    let everywhere = args.all;
    let known = speak(&config, &shared, async |link: &Link| {
        if everywhere {
            let times = cluster::drain_everywhere(link, &name, !args.undo).await?;
            return Ok(times > 0);
        }
        let found = cluster::overview(link).await?;
        let known = found.instances.iter().any(|one| one.name == name);
        if known {
            cluster::drain(link, &name, !args.undo).await?;
        }
        Ok(known)
    })?;
    if known {
        return Ok(Exit::Done);
    }
    complain(
        "no such instance",
        &args.instance,
        "`pentamer cluster status` lists them",
    );
    Ok(Exit::Usage)
}
