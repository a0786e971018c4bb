//! Figures, printed and not asserted: how long a take-over takes, and what an acknowledgement costs at one and at
//! three replicas beside plain publishing to the same servers in the same run.

use super::{cluster, holds};
use crate::e2e::brokers::{runtime, until};
use crate::e2e::harness::{Home, Pentamer, low_igm, wait_for};
use crate::e2e::receivers::broker::NatsCluster;
use async_nats::jetstream::{self, stream};
use std::time::{Duration, Instant};

const MESSAGES: usize = 300;
const SENDERS: usize = 8;

/// Median and 99th percentile.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |hundredths: usize| times[(times.len() - 1) * hundredths / 100];
    format!(
        "{:.1} ms median, {:.1} ms p99",
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3
    )
}

/// Messages that are no results, so that only receiving counts; one after another on several connections.
fn through_pentamer(url: &str, replicas: usize) -> String {
    let extra = format!("{}stream = \"R{replicas}\"\n", cluster(url, "a", replicas));
    let daemon = Pentamer::start(Home::new("", &extra));
    wait_for("it to hold", || holds(&daemon).then_some(()));
    let begun = Instant::now();
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let daemon = &daemon;
                scope.spawn(move || {
                    let mut connection = daemon.connect();
                    let mut times = Vec::new();
                    for n in 0..MESSAGES / SENDERS {
                        let id = format!("{sender}-{n}");
                        let message =
                            low_igm(&id, "p").replace("ORU^R01^ORU_R01", "ADT^A08^ADT_A01");
                        let sent = Instant::now();
                        assert_eq!(connection.exchange(&message), "AA");
                        times.push(sent.elapsed());
                    }
                    times
                })
            })
            .collect();
        senders
            .into_iter()
            .flat_map(|one| one.join().expect("sent"))
            .collect()
    });
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    format!("{rate:.0} acknowledged a second, {}", spread(times))
}

fn plain(runtime: &tokio::runtime::Runtime, url: &str, replicas: usize) -> String {
    let done = runtime.block_on(async {
        let urls: Vec<&str> = url.split(',').collect();
        let client = async_nats::connect(urls).await.expect("connected");
        let context = jetstream::new(client);
        let config = stream::Config {
            name: format!("PLAIN{replicas}"),
            subjects: vec![format!("plain{replicas}.>")],
            num_replicas: replicas,
            ..stream::Config::default()
        };
        context.create_stream(config).await.expect("a stream");
        let begun = Instant::now();
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            let (context, subject) = (context.clone(), format!("plain{replicas}.a"));
            senders.push(tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..MESSAGES / SENDERS {
                    let sent = Instant::now();
                    let payload = vec![b'x'; 700];
                    let ack = context.publish(subject.clone(), payload.into()).await;
                    ack.expect("sent").await.expect("acknowledged");
                    times.push(sent.elapsed());
                }
                times
            }));
        }
        let mut times = Vec::new();
        for one in senders {
            times.extend(one.await.expect("ended"));
        }
        (times.len() as f64 / begun.elapsed().as_secs_f64(), times)
    });
    format!("{:.0} acknowledged a second, {}", done.0, spread(done.1))
}

#[test]
#[ignore = "figures, no test: `just cluster-figures`"]
fn figures_of_take_over_and_acknowledgement() {
    let servers = NatsCluster::start();
    let url = servers.url();
    let runtime = runtime();
    until(&runtime, "the cluster to have a leader", async || {
        let urls: Vec<&str> = url.split(',').collect();
        let client = async_nats::connect(urls)
            .await
            .map_err(|error| error.to_string())?;
        let context = jetstream::new(client);
        let config = stream::Config {
            name: "PROBE".to_owned(),
            num_replicas: 3,
            ..stream::Config::default()
        };
        let made = context.get_or_create_stream(config).await;
        made.map(drop).map_err(|error| error.to_string())
    });
    // The bucket of leases is made with the first.
    for replicas in [3, 1] {
        println!(
            "{replicas} replicas, Pentamer: {}",
            through_pentamer(&url, replicas)
        );
        println!(
            "{replicas} replicas, plain publishing: {}",
            plain(&runtime, &url, replicas)
        );
    }
    let mut holder = Pentamer::start(Home::new("", &cluster(&url, "a", 3)));
    wait_for("it to hold", || holds(&holder).then_some(()));
    let mut times = Vec::new();
    for name in ["b", "c", "d"] {
        let next = Pentamer::start(Home::new("", &cluster(&url, name, 3)));
        next.settle();
        let killed = Instant::now();
        holder.kill();
        wait_for("it to hold", || holds(&next).then_some(()));
        assert_eq!(next.connect().exchange(&low_igm(name, name)), "AA");
        wait_for("its alert", || {
            (!next.home.alerts().is_empty()).then_some(())
        });
        times.push(killed.elapsed());
        holder = next;
    }
    println!("from the kill of the holder to the next alert, with a lease of 2 s: {times:?}");
}

/// Seconds of processor time so far.
fn processor_time(daemon: &Pentamer) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id())).expect("read");
    let (_, behind) = stat.rsplit_once(") ").expect("its fields");
    let ticks = |at: usize| -> f64 {
        let field = behind.split(' ').nth(at).expect("a field");
        field.parse().expect("a number")
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// What it costs to have sites that do nothing: memory and processor time of those that stand by, and of the servers'
/// lease traffic behind them.
#[test]
#[ignore = "figures, no test: `just cluster-figures`"]
fn figures_of_idle_sites() {
    let sites: usize =
        std::env::var("PENTAMER_SITES").map_or(20, |text| text.parse().expect("a number"));
    let nats = crate::e2e::receivers::broker::Nats::start();
    let begin = |instance: &str| -> Vec<Pentamer> {
        (0..sites)
            .map(|site| {
                let cluster = cluster(&nats.url(), instance, 1).replace("\"2s\"", "\"3s\"");
                let site = format!("stream = \"PENTAMER_s{site}\"\nspread = true\n");
                Pentamer::start(Home::new("", &format!("{cluster}{site}")))
            })
            .collect()
    };
    let all: Vec<Pentamer> = ["a", "b"].into_iter().flat_map(begin).collect();
    let count = |daemons: &[Pentamer]| daemons.iter().filter(|one| holds(one)).count();
    let begun = Instant::now();
    wait_for("each site to have its holder", || {
        (count(&all) == sites && count(&all[..sites]) < sites).then_some(())
    });
    println!(
        "{sites} sites on two instances: the first moved after {:?}",
        begun.elapsed()
    );
    let before: Vec<f64> = all.iter().map(processor_time).collect();
    let span = Duration::from_secs(30);
    std::thread::sleep(span);
    let (mut holders, mut others) = ((0, 0.0, 0), (0, 0.0, 0));
    for (daemon, before) in all.iter().zip(before) {
        let spent = (processor_time(daemon) - before) / span.as_secs_f64();
        let sum = if holds(daemon) {
            &mut holders
        } else {
            &mut others
        };
        *sum = (sum.0 + 1, sum.1 + spent, sum.2 + daemon.own_kib());
    }
    for (what, (count, spent, kib)) in [("decide", holders), ("stand by", others)] {
        println!(
            "{count} that {what}: {:.2} % of a core and {:.1} MiB of their own each",
            100.0 * spent / f64::from(count),
            kib as f64 / 1024.0 / f64::from(count)
        );
    }
}

/// How long a new instance takes until it knows all, with the checkpoints of another one and without.
#[test]
#[ignore = "figures, no test: `just cluster-figures`"]
fn figures_of_a_new_instance() {
    let patients: usize =
        std::env::var("PENTAMER_PATIENTS").map_or(100_000, |text| text.parse().expect("a number"));
    let nats = crate::e2e::receivers::broker::Nats::start();
    let home = |name: &str, stream: &str, storage: &str| {
        let cluster = cluster(&nats.url(), name, 1);
        Home::new("", &format!("{cluster}stream = \"{stream}\"\n")).with_storage(storage)
    };
    // Some four of them.
    let often = format!("checkpoint_after = \"{} KiB\"", patients / 8);
    for (stream, storage) in [("PENTAMER_first", ""), ("PENTAMER_kept", often.as_str())] {
        let first = Pentamer::start(home("a", stream, storage));
        wait_for("it to hold", || holds(&first).then_some(()));
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for sender in 0..16 {
                let first = &first;
                scope.spawn(move || {
                    let mut connection = first.connect();
                    for n in (sender..patients).step_by(16) {
                        let id = n.to_string();
                        let message = crate::e2e::harness::panel(&id, &id, "1.1", "11.0", "2.0");
                        assert_eq!(connection.exchange(&message), "AA");
                    }
                });
            }
        });
        let rate = patients as f64 / begun.elapsed().as_secs_f64();
        let long = Duration::from_secs(600);
        crate::e2e::harness::wait_within(long, "all to be folded", || {
            (first.metric("pentamer_fold_lag_records", "") == 0.0).then_some(())
        });
        first.settle();
        if !storage.is_empty() {
            until(&runtime(), "its checkpoint", async || {
                let client = async_nats::connect(nats.url()).await;
                let context = jetstream::new(client.map_err(|error| error.to_string())?);
                let store = context
                    .get_object_store(format!("{stream}_CHECKPOINTS"))
                    .await;
                store.map(drop).map_err(|error| error.to_string())
            });
        }
        let begun = Instant::now();
        let second = Pentamer::begin(home("b", stream, storage));
        crate::e2e::harness::wait_within(long, "it to know all", || {
            let ready = second.get("/readyz").0 == 200;
            (ready && second.metric("pentamer_fold_lag_records", "") == 0.0).then_some(())
        });
        let fetched = second.home.log().contains("checkpoint_fetched");
        println!(
            "{patients} patients ({rate:.0} acknowledged a second by 16 connections): a new instance knows all after \
             {:.1} s; with a checkpoint: {fetched}",
            begun.elapsed().as_secs_f64()
        );
    }
}
