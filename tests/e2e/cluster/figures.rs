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
